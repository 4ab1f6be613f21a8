"""A place to judge in, and the corpus of calls that are denied and allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from servers.workspace.guard.place import Place

CORPUS = Path(__file__).with_name("corpus")


@pytest.fixture
def place() -> Place:
    """An agent's workspace."""
    return Place("/work/repo", branch="feature/issue-1-x", home="/home/dev")


@pytest.fixture
def persons_place() -> Place:
    """The same, with a person who can be asked."""
    return Place("/work/repo", branch="feature/issue-1-x", home="/home/dev", person=True)


@pytest.fixture(scope="session")
def corpus() -> dict[str, list[dict[str, Any]]]:
    """Calls by the verdict that they have to get; those held out came after the rules."""
    return {path.stem: _read(path) for path in sorted(CORPUS.glob("*.jsonl"))}


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
