"""What is allowed is reached, by name and port, and nothing else is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from servers.workspace.commands import CommandResult, Shell
from servers.workspace.gate import Allowed, Door, gate
from servers.workspace.leave import Leave
from servers.workspace.registries import hosts_in

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nwelcome"
THROUGH = "env NO_PROXY= no_proxy= python3 -c"
FETCH = "import urllib.request as u; print(u.urlopen({url!r}, timeout=5).read().decode())"
TUNNEL = (
    "import os, http.client as h, base64; from urllib.parse import urlsplit; "
    "p = urlsplit(os.environ['https_proxy']); "
    "c = h.HTTPConnection(p.hostname, p.port, timeout=5); who = f'{{p.username}}:{{p.password}}'.encode(); "
    "c.set_tunnel('127.0.0.1', {port}, {{'Proxy-Authorization': 'Basic ' + base64.b64encode(who).decode()}}); "
    "c.request('GET', '/'); print(c.getresponse().read().decode())"
)


@pytest.fixture
async def site() -> AsyncGenerator[int]:
    """A host of this machine that welcomes whoever comes; answers its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PAGE)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def trusting(shell: Shell, *hosts: str) -> Shell:
    """The shell of a machine whose registries are `hosts`."""

    async def said() -> Sequence[str]:
        return hosts

    return replace(shell, registries=said)


async def fetch(shell: Shell, leave: Leave, port: int, code: str = FETCH) -> CommandResult:
    url = f"http://127.0.0.1:{port}/"
    return await shell.run(f'{THROUGH} "{code.format(url=url, port=port)}"', 20, leave)


@pytest.mark.parametrize("code", [FETCH, TUNNEL], ids=["http", "connect"])
async def test_an_allowed_host_is_reached(shell: Shell, site: int, code: str) -> None:
    result = await fetch(trusting(shell, f"127.0.0.1:{site}"), Leave(registries=True), site, code)
    assert (result.stdout, result.exit_code) == ("welcome\n", 0), result.stderr


async def test_another_port_of_an_allowed_host_is_not_reached(shell: Shell, site: int) -> None:
    result = await fetch(trusting(shell, "127.0.0.1:9"), Leave(registries=True), site)
    assert (result.stdout, "403" in result.stderr) == ("", True)


async def test_a_repository_may_not_name_the_machines_own_network(shell: Shell, site: int) -> None:
    for host in ("127.0.0.1", "localhost"):
        result = await fetch(shell, Leave(hosts=(f"{host}:{site}", f"127.0.0.1:{site}")), site)
        assert (result.stdout, "403" in result.stderr) == ("", True)


async def test_there_is_no_way_around_the_gate(shell: Shell, site: int) -> None:
    code = f"import socket; print(socket.create_connection(('127.0.0.1', {site}), 3))"
    result = await trusting(shell, f"127.0.0.1:{site}").run(f'python3 -c "{code}"', 20, Leave(registries=True))
    assert result.exit_code != 0


async def test_registries_are_for_set_up_only(shell: Shell, site: int) -> None:
    shell = trusting(shell, f"127.0.0.1:{site}")
    assert (await fetch(shell, Leave(), site)).stdout == ""
    assert (await fetch(shell, Leave(hosts=("example.org",)), site)).stdout == ""


async def test_a_command_with_network_ends_as_one_without(shell: Shell) -> None:
    leave = Leave(hosts=("example.org",))
    assert (await shell.run("exit 7", 20, leave)).exit_code == 7
    assert (await shell.run("kill -TERM $$", 20, leave)).exit_code == 143
    result = await shell.run("sleep 60 & echo done", 20, leave)
    assert (result.stdout, result.seconds < 5) == ("done\n", True)


async def test_a_gate_by_port_asks_for_its_password(site: int) -> None:
    allowed = Allowed(trusted=(f"127.0.0.1:{site}",))
    async with gate(allowed, by_port=True) as door:
        assert await ask(door, f"GET http://127.0.0.1:{site}/ HTTP/1.1\r\n\r\n") == "407"
        assert (
            await ask(door, f"CONNECT 127.0.0.1:{site} HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n") == "407"
        )


@pytest.mark.parametrize(
    "request_line", ["GET / HTTP/1.1", "GET ftp://x/ HTTP/1.1", "CONNECT [ HTTP/1.1", "nonsense", "GET http://x:y/ a"]
)
async def test_what_is_no_request_is_refused(request_line: str) -> None:
    async with gate(Allowed(), by_port=False) as door:
        assert await ask(door, f"{request_line}\r\n\r\n") in {"400", "502"}


@pytest.mark.parametrize(
    ("entry", "host", "port", "permitted"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "EXAMPLE.org.", 80, True),
        ("example.org", "example.org", 22, False),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("example.org", "evil-example.org", 443, False),
        ("example.org", "example.org.evil.net", 443, False),
        ("*.example.org", "a.example.org", 443, True),
        ("*.example.org", "a.b.example.org:", 443, False),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "evilexample.org", 443, False),
    ],
)
def test_hosts_are_matched_whole(entry: str, host: str, port: int, permitted: bool) -> None:
    assert Allowed((entry,)).permits(host, port) is permitted


def test_the_hosts_of_what_clients_say_are_found() -> None:
    said = "https://user:secret@pypi.example.org/simple\n https://npm.example.org:8443/ file:///wheels direct,http://go.example.org|x"
    assert hosts_in(said) == ["pypi.example.org", "npm.example.org:8443", "go.example.org"]


async def ask(door: Door, text: str) -> str:
    """The status with which a gate answers."""
    kind, address = (socket.AF_UNIX, str(door.socket)) if door.socket else (socket.AF_INET, ("127.0.0.1", door.port))
    with socket.socket(kind) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, address)
        await loop.sock_sendall(client, text.encode())
        return (await loop.sock_recv(client, 1000)).split()[1].decode()
