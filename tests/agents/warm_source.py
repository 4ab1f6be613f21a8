"""Forks programs of the rig from itself, on a socket that gets the arguments and the streams of each.

python -m tests.agents.warm_source ADDRESS
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from agents import lean
from servers.kit.garbage import look_seldom

LIBRARIES = ("agents.run", "agents.providers.anthropic", "anthropic")
ORDER_BYTES = 1 << 18


def serve(address: str) -> None:
    """Fork for whoever connects, until standard input ends."""
    look_seldom()
    lean.load()
    from servers.workspace.server import tools

    for name in LIBRARIES:
        importlib.import_module(name)
    asyncio.run(tools.schemas())
    gc.collect()
    gc.freeze()  # what is shared stays shared
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while listening in select.select([listening, 0], [], [])[0]:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                mind(connection)
            connection.close()
            bury(os.WNOHANG)
    bury()


def bury(options: int = 0) -> None:
    """Wait for those who mind the others, so that their time is counted."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, options) != (0, 0):
            pass


def mind(connection: socket.socket) -> None:
    """Start one and say how it ended; kill it when nobody is there any more to be told.

    The pipe `alive` is closed by its end, whatever that is.
    """
    os.setsid()  # a signal to the whole of a test run must not hinder it from that
    message, streams, _, _ = socket.recv_fds(connection, ORDER_BYTES, 3)
    over, alive = os.pipe()
    child = os.fork()
    if child == 0:
        connection.close()
        os.close(over)
        run(json.loads(message), streams)
    for stream in (*streams, alive, 0, 1, 2):
        os.close(stream)
    connection.sendall(f"{child}\n".encode())
    if over not in select.select([over, connection], [], [])[0]:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        connection.sendall(f"{code}\n".encode())
    finally:
        os._exit(0)


def run(order: dict[str, Any], streams: list[int]) -> None:
    """Be the program; does not return."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    random.seed()
    sys.argv = order["argv"]
    runpy.run_module(order["argv"][0], run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
