"""A server beside the agent: started in time, started again, ended with the run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from agents.stdio import StdioConnection
from servers.kit.character import StdioServer
from servers.kit.errors import Denied, InvalidInput, NotFound, Unavailable
from servers.workspace.children import children
from tests.workspace.outside import running_in

WORKSPACE = StdioServer(command="python", args=["-P", "-m", "servers.workspace"])
SERVER = "servers.workspace"
KEPT = WORKSPACE.model_copy(update={"keep": True})
Connect = Callable[..., StdioConnection]
Eventually = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
async def connect(tmp_path: Path) -> AsyncGenerator[Connect]:
    (tmp_path / "tree").mkdir()
    async with AsyncExitStack() as stack:

        def connect(server: StdioServer = WORKSPACE, delay: float = 0) -> StdioConnection:
            connection = StdioConnection("workspace", server, tmp_path, delay)
            stack.push_async_callback(connection.aclose)
            return connection

        yield connect


async def test_the_server_works_in_the_runs_tree(connect: Connect, tmp_path: Path) -> None:
    server = connect()
    await server.call("write_file", {"path": "a.txt", "content": "hello\n"})
    assert (tmp_path / "tree" / "a.txt").read_text() == "hello\n"
    with pytest.raises(NotFound):
        await server.call("read_file", {"path": "b.txt"})
    with pytest.raises(InvalidInput):
        await server.call("read_file", {"nothing": "b.txt"})
    assert {tool.name for tool in await server.list_tools()} >= {"read_file", "run_command"}


async def test_the_operators_policy_holds_wherever_the_server_starts(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "guard.yaml").write_text("denied: [{because: not here, commands: [kubectl get]}]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIG_GUARD_POLICY", "guard.yaml")
    with pytest.raises(Denied, match="not here"):
        await connect().call("run_command", {"command": "kubectl get pods"})


async def test_code_of_the_repository_does_not_stand_in_for_the_server(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "tree" / "servers").mkdir()
    (tmp_path / "tree" / "servers" / "__init__.py").write_text("raise SystemExit('taken over')")
    assert await connect().list_tools()


async def test_a_server_that_died_is_started_again_by_the_next_call(connect: Connect) -> None:
    server = connect()
    await server.list_tools()
    os.kill(only_server(), signal.SIGKILL)
    with suppress(Unavailable):
        await server.call("run_command", {"command": "sleep 5"})
    assert await server.call("list_files") == {"result": "The folder is empty."} or await server.list_tools()


async def test_a_server_that_does_not_start_is_named(connect: Connect) -> None:
    with pytest.raises(Unavailable, match="The server workspace does not start"):
        await connect(StdioServer(command="/nonexistent/server")).list_tools()


async def test_a_delayed_server_starts_when_it_is_wanted(connect: Connect) -> None:
    async with asyncio.timeout(30):
        assert await connect(delay=3600).list_tools()


async def test_a_delayed_server_that_nobody_wanted_never_starts(connect: Connect) -> None:
    async with asyncio.timeout(1):
        await connect(StdioServer(command="/nonexistent/server"), delay=3600).aclose()


async def test_calls_go_on_beside_a_long_one(connect: Connect) -> None:
    server = connect()
    await server.list_tools()
    long = asyncio.create_task(server.call("run_command", {"command": "sleep 30"}))
    await server.call("write_file", {"path": "a.txt", "content": "x"})
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert await server.call("read_file", {"path": "a.txt"})


def only_server() -> int:
    [pid] = [pid for pid in children(os.getpid()) if SERVER in Path(f"/proc/{pid}/cmdline").read_text()]
    return pid


async def process_of(server: StdioConnection) -> str:
    return (await server.call("run_command", {"command": "echo $HOME"}))["stdout"]


async def test_a_server_that_may_be_kept_serves_the_next_run_too(connect: Connect) -> None:
    server = connect(KEPT)
    first = await process_of(server)
    await server.renew()
    assert await process_of(server) == first


async def test_every_run_meets_a_fresh_server_where_nothing_else_is_said(connect: Connect) -> None:
    server = connect()
    first = await process_of(server)
    await server.renew()
    assert await process_of(server) != first


async def test_a_server_that_is_still_at_work_for_one_run_is_not_kept_for_the_next(
    connect: Connect, tmp_path: Path, eventually: Eventually
) -> None:
    server = connect(KEPT)
    first = await process_of(server)
    long = asyncio.create_task(server.call("run_command", {"command": "echo > begun; sleep 30"}))
    begun = tmp_path / "tree" / "begun"
    await eventually(lambda: begun.exists() and begun.read_text())
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    await server.renew()
    await eventually(lambda: not running_in(tmp_path / "tree"))
    assert await process_of(server) != first


async def test_how_commands_are_confined_is_the_operators_to_say(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_SANDBOX", "sandbox-exec" if sys.platform == "linux" else "bwrap")
    with pytest.raises(Unavailable, match="The server workspace does not start"):
        await connect().list_tools()
