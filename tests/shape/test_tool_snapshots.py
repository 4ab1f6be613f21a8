"""Every tool is what its snapshot says, and its schema only grows.

A deliberate change is recorded with `RIG_RECORD=1 make test ARGS=tests/shape/test_tool_snapshots.py`;
one that would break a caller of the version before is refused even then.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from servers.kit.auth import Role
from servers.kit.tools import Toolbox

ROOT = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in [*(ROOT / "servers").glob("*/server.py"), ROOT / "conductor" / "app.py"]
    if path.exists()
)

Schema = dict[str, Any]


@pytest.mark.parametrize("module", MODULES)
async def test_the_tools_are_what_their_snapshots_say(module: str) -> None:
    tools: Toolbox = importlib.import_module(module).tools
    offered = await described(tools)
    recorded = {path.stem: json.loads(path.read_text()) for path in (SNAPSHOTS / tools.name).glob("*.json")}
    broken = [loss for name, tool in recorded.items() for loss in losses(name, tool, offered.get(name))]
    assert not broken, f"Schemas only grow, because callers of the version before are still there: {broken}"
    if os.environ.get("RIG_RECORD") == "1":
        record(SNAPSHOTS / tools.name, offered)
    else:
        changed = [name for name in {**offered, **recorded} if offered.get(name) != recorded.get(name)]
        assert not changed, f"Record the change with RIG_RECORD=1: {sorted(changed)}"


def test_a_snapshot_belongs_to_a_server_that_exists() -> None:
    servers = {importlib.import_module(module).tools.name for module in MODULES}
    assert {folder.name for folder in SNAPSHOTS.glob("*")} <= servers


@pytest.mark.parametrize(
    ("after", "loss"),
    [
        ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, []),
        ({"properties": {"a": {}, "b": {}}, "required": ["a"]}, []),
        ({"properties": {"b": {}}}, ["tool.a is gone"]),
        ({"properties": {"a": {}, "b": {}}, "required": ["a", "b"]}, ["tool.b is required now"]),
    ],
)
def test_what_breaks_a_caller_is_told_from_what_does_not(after: Schema, loss: list[str]) -> None:
    before: Schema = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    assert list(narrowed("tool", before, after)) == loss


async def described(tools: Toolbox) -> dict[str, Schema]:
    """Each tool as `tools/list` gives it, with the roles that see it there."""
    return {
        tool.name: {
            **tool.model_dump(mode="json", by_alias=True, exclude_none=True),
            "roles": sorted(role for role in get_args(Role) if tool.name in tools.names(role)),
        }
        for tool in await tools.schemas()
    }


def record(folder: Path, offered: dict[str, Schema]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, tool in offered.items():
        (folder / f"{name}.json").write_text(json.dumps(tool, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def losses(name: str, before: Schema, after: Schema | None) -> Iterator[str]:
    if after is None:
        yield f"{name} is gone"
        return
    yield from narrowed(name, before["inputSchema"], after["inputSchema"])
    answers = before.get("outputSchema", {}), after.get("outputSchema", {})
    yield from (loss for loss in narrowed(f"{name}'s answer", *answers) if loss.endswith("gone"))


def narrowed(name: str, before: Schema, after: Schema) -> Iterator[str]:
    """What a caller that fits the schema before would miss in the schema after."""
    old, new = before.get("properties", {}), after.get("properties", {})
    yield from (f"{name}.{key} is gone" for key in old.keys() - new.keys())
    added = set(after.get("required", ())) - set(before.get("required", ()))
    yield from (f"{name}.{key} is required now" for key in sorted(added))
    for key in old.keys() & new.keys():
        yield from narrowed(f"{name}.{key}", old[key], new[key])
    for key, definition in before.get("$defs", {}).items():
        yield from narrowed(key, definition, after.get("$defs", {}).get(key, {}))
