"""Serves the double on loopback and says where, in one line of JSON, once it answers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import socket
import sys
from typing import Final, cast

import uvicorn

from rig.doubles.anthropic.app import create_app
from rig.doubles.anthropic.script import Script

HOST: Final = "127.0.0.1"
DEMO: Final = "rig.doubles.demo.script:play"


class Announcing(uvicorn.Server):
    """A uvicorn server whose start can be heard by the process that waits for it."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(json.dumps({"url": self._url}) + "\n")
        sys.stdout.flush()


def load(named: str) -> Script:
    """`package.module:function`."""
    module, _, function = named.partition(":")
    return cast("Script", getattr(importlib.import_module(module), function))


def serve(script: str = DEMO, port: int = 0, leave_with_parent: bool = False) -> None:
    listening = socket.create_server((HOST, port))
    url = f"http://{HOST}:{listening.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(load(script)),
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    server = Announcing(config, url)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C in a terminal reaches the whole process group
        asyncio.run(run(server, listening, leave_with_parent))


async def run(server: uvicorn.Server, listening: socket.socket, leave_with_parent: bool) -> None:
    watch = asyncio.create_task(stop_at_end_of_input(server)) if leave_with_parent else None
    await server.serve(sockets=[listening])
    if watch:
        watch.cancel()


async def stop_at_end_of_input(server: uvicorn.Server) -> None:
    """A parent that is killed closes our standard input, and nobody is left to stop us."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        continue
    server.should_exit = True
