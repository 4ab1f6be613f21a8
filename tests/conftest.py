"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["tests.fixtures_postgres", "tests.fixtures_valkey", "tests.fixtures_waiting"]

TESTS = Path(__file__).parent
FOLDERS = (Path(sys.executable).parent, *TESTS.glob("*/node_modules/.bin"))


def pytest_collection_finish() -> None:
    """Agents collect garbage after each run, and would walk through all that was imported for thousands of tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def need() -> Callable[..., str]:
    """`need("valkey-server", "redis-server")` is the path of the first that this machine has.

    Where it has none the test is skipped with the reason, and fails under `CI=true`.
    """
    return find_program


def find_program(*names: str) -> str:
    path = os.pathsep.join([*map(str, FOLDERS), os.environ.get("PATH", os.defpath)])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    reason = f"This machine has no {' or '.join(names)}: `make test` installs it or prints the command that does."
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
