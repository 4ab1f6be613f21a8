"""Whoever has read one server has read all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SERVERS = sorted(
    folder for folder in (Path(__file__).parents[2] / "servers").iterdir() if (folder / "__init__.py").exists()
)
PARTS = ("__init__.py", "__main__.py", "server.py", "settings.py")


@pytest.mark.parametrize(
    "folder", [folder for folder in SERVERS if folder.name != "kit"], ids=lambda folder: folder.name
)
def test_a_server_has_the_one_shape(folder: Path) -> None:
    missing = [part for part in PARTS if not (folder / part).exists()]
    if not (folder / "store.py").exists() and not (folder / "client.py").exists():
        missing.append("store.py or client.py")
    assert not missing, f"servers/{folder.name} lacks {missing}"


@pytest.mark.parametrize("part", ["conductor", "agents", "dashboard"])
def test_a_contract_closes_every_server_to_import(pyproject: dict[str, Any], part: str) -> None:
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    [closed] = [set(c["forbidden_modules"]) for c in contracts if c.get("source_modules") == [part]]
    open_ones = {f"servers.{folder.name}" for folder in SERVERS if folder.name != "kit"} - closed
    assert not open_ones, f"Add them to the contract of {part} in pyproject.toml: {open_ones}"
