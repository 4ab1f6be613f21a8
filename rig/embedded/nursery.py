"""The process that agents are forked from, once it has imported what each of them would import for seconds.

It is single-threaded and knows no secret: a fork reads who it is from a pipe of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents import run, secrets_scan
from rig.embedded.children import ORDER

PROVIDER = "agents.providers.anthropic"


def main() -> int:
    """Fork on request over the socket that is our standard input, until it is closed."""
    run.hide()
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as channel:
        _prepare()
        life = Nursery(channel).tend()
    return 0 if life is None else live(life)


def _prepare() -> None:
    """Import and build what a run needs later than its start."""
    importlib.import_module(PROVIDER)
    list(secrets_scan.kinds(""))
    gc.collect()
    gc.freeze()  # the collector would touch, and so copy, what the forks share


class Nursery:
    """Forks whenever the launcher asks, and tells it who was born and who ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: dict[int, int] = {}  # by file descriptor
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)

    def tend(self) -> int | None:
        """Work until the launcher is gone.

        Returns:
            None; in a fork, the end from which it reads what the launcher has to tell it.
        """
        with suppress(ConnectionError):
            while True:
                for ready, _ in self._poll.poll():
                    if ready in self._children:
                        self._bury(ready)
                        continue
                    order, fds, _, _ = socket.recv_fds(self._channel, len(ORDER), 1)
                    if not order:
                        return None
                    if self._fork() == 0:
                        return fds[0]
                    os.close(fds[0])
        return None

    def _fork(self) -> int | None:
        try:
            pid = os.fork()
        except OSError:  # no memory or no room for another process
            self._tell(born=None)
            return None
        if pid == 0:
            for other in self._children:
                os.close(other)
            return 0
        os.setpgid(pid, pid)
        watched = os.pidfd_open(pid)
        self._children[watched] = pid
        self._poll.register(watched, select.POLLIN)
        self._tell(born=pid)
        return pid

    def _bury(self, watched: int) -> None:
        pid = self._children.pop(watched)
        self._poll.unregister(watched)
        os.close(watched)
        self._tell(ended=pid, code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    def _tell(self, **said: Any) -> None:
        self._channel.send(json.dumps(said).encode())


def live(life: int) -> int:
    """Be the agent that the first line of the pipe describes; its end says that the rig is gone."""
    os.dup2(life, sys.stdin.fileno())
    os.close(life)
    order = b""
    while not order.endswith(b"\n"):
        part = os.read(sys.stdin.fileno(), 1 << 16)
        if not part:
            return run.FAILED
        order += part
    said = json.loads(order)
    os.environ.clear()
    os.environ.update(said["environment"])
    return run.main(Path(said["character"]))


if __name__ == "__main__":
    sys.exit(main())
