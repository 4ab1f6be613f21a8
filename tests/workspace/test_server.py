"""The server speaks MCP over standard input and output, as an agent starts it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from servers.kit.errors import InvalidInput
from servers.workspace.server import part, tools
from servers.workspace.settings import WorkspaceSettings
from tests.fixtures_waiting import Eventually

Connect = Callable[..., AbstractAsyncContextManager[Client]]
MODES: list[Literal["2026-07-28", "auto"]] = ["2026-07-28", "auto"]


@pytest.fixture
def connect(root: Path) -> Connect:
    """Starts the server in the workspace."""

    @asynccontextmanager
    async def connected(mode: Any = "2026-07-28", **env: str) -> AsyncGenerator[Client]:
        # -I keeps the current folder, which is somebody else's code, out of the module path.
        server = StdioServerParameters(
            command=sys.executable, args=["-I", "-m", "servers.workspace"], cwd=root, env=env
        )
        async with Client(server, mode=mode) as client:
            yield client

    return connected


def text(result: CallToolResult) -> str:
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


@pytest.mark.parametrize("mode", MODES)
async def test_a_session_reads_searches_edits_and_runs(connect: Connect, root: Path, mode: str) -> None:
    (root / "app.py").write_text("def add(a, b):\n    return a - b\n")
    (root / "mcp.py").write_text("raise SystemExit('the workspace was imported')\n")
    async with connect(mode) as client:
        assert text(await client.call_tool("list_files", {"pattern": "app*"})) == "app.py"
        assert text(await client.call_tool("search_files", {"pattern": "a - b"})) == "app.py:2:     return a - b"
        await client.call_tool("edit_file", {"path": "app.py", "old": "a - b", "new": "a + b"})
        assert "2\t    return a + b" in text(await client.call_tool("read_file", {"path": "app.py"}))
        await client.call_tool("write_file", {"path": "t/check.py", "content": "assert 1 + 1 == 2\n"})
        result = await client.call_tool("run_command", {"command": "cat t/check.py; false"})
    assert result.structured_content is not None
    assert result.structured_content["exit_code"] == 1
    assert result.structured_content["stdout"] == "assert 1 + 1 == 2\n"


async def test_a_refusal_is_an_answer_with_its_code(connect: Connect) -> None:
    async with connect() as client:
        for name, arguments, code in (
            ("read_file", {"path": "../x"}, "forbidden"),
            ("read_file", {"path": "x"}, "not_found"),
            ("read_file", {"path": 5}, "invalid_input"),
            ("read_file", {"path": "x", "start_line": 0}, "invalid_input"),
            ("write_file", {"path": ".git/config", "content": ""}, "denied"),
            ("run_command", {"command": "true", "timeout_seconds": 1e9}, "invalid_input"),
            ("run_command", {"command": ""}, "invalid_input"),
            ("nothing", {}, "not_found"),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error
            assert text(result).startswith(f"{code}: "), (name, arguments, text(result))


async def test_the_repository_cannot_widen_the_workspace_by_a_settings_file(connect: Connect, root: Path) -> None:
    (root / "rig.toml").write_text('workspace = "/"\ncommand_env = {EVIL = "1"}\n')
    async with connect() as client:
        assert text(await client.call_tool("list_files", {})) == "rig.toml"
        result = await client.call_tool("run_command", {"command": "echo [$EVIL]"})
        assert result.structured_content is not None
        assert result.structured_content["stdout"] == "[]\n"


async def test_the_guard_stands_before_every_tool(connect: Connect, root: Path) -> None:
    (root / ".env").write_text("KEY=1")
    async with connect() as client:
        for name, arguments in (
            ("run_command", {"command": "sh -c 'rm -rf /'"}),
            ("run_command", {"command": "git push --force"}),
            ("read_file", {"path": ".env"}),
            ("search_files", {"path": ".env", "pattern": "KEY"}),
            ("edit_file", {"path": ".git/config", "old": "a", "new": "b"}),
            ("write_file", {"path": ".git/hooks/pre-commit", "content": ""}),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error
            assert text(result).startswith("denied: "), (name, arguments, text(result))


async def test_commands_get_a_home_that_ends_with_the_server(connect: Connect, root: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with connect(RIG_DATA_DIR=str(data), RIG_COMMAND_ENV='{"STACK": "go"}') as client:
        result = await client.call_tool("run_command", {"command": "touch ~/x; echo $HOME $STACK"})
        assert result.structured_content is not None
        home, stack = result.structured_content["stdout"].split()
        assert Path(home).parents[1] == data
        assert stack == "go"
        assert (Path(home) / "x").exists()
    assert list(data.iterdir()) == []


async def test_a_command_does_not_outlive_its_server(connect: Connect, root: Path, eventually: Eventually) -> None:
    async with connect() as client:
        command = {"command": "touch begun; sleep 60; touch late"}
        call = asyncio.create_task(client.call_tool("run_command", command))
        await eventually((root / "begun").exists)
        call.cancel()
    await eventually(lambda: not _running_in(root))


def _running_in(folder: Path) -> list[str]:
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
        except OSError:
            continue
    return found


async def test_every_tool_is_annotated_and_hides_what_the_runtime_gives(root: Path) -> None:
    schemas = await tools.schemas()
    assert [tool.name for tool in schemas] == [
        "edit_file",
        "list_files",
        "read_file",
        "run_command",
        "search_files",
        "write_file",
    ]
    for tool in schemas:
        assert tool.annotations is not None
        assert "opened" not in tool.input_schema["properties"]
        assert tool.annotations.read_only_hint is tool.name.startswith(("list", "read", "search"))


@pytest.mark.parametrize("folder", ["/", "/nowhere/at/all", "/etc/passwd"])
async def test_a_folder_that_cannot_be_a_workspace_is_refused(folder: str) -> None:
    with pytest.raises(InvalidInput, match="RIG_WORKSPACE"):
        async with part(WorkspaceSettings(workspace=Path(folder))).open():
            pass
