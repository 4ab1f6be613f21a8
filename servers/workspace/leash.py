"""Runs commands under sandlock beside the server: what they started ends with them, and with the server.

sandlock watches from the process that asked for it, and leaves what outlives that process to itself. Here each
command gets a process of its own, forked from one that has sandlock loaded, which becomes the parent of whoever lost
its own: so nothing that was started gets out of its sight.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from select import poll
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
NO_START = 125  # what docker and env answer
KILLED = 128 + signal.SIGKILL
NULL, INHERIT = 2, 0  # of sandlock's streams
FDS = 4


def main(server: int, asked: int, packages: str) -> int:
    """Serve orders until whoever gives them is gone.

    Args:
        server: Process id of whoever gives orders.
        asked: Socket on which each comes, as four descriptors: a file with it as JSON, where its output and its
            errors go, and a pipe that is told its process id, later its exit code (128+n for signal n); closing the
            other end of that ends the command.
        packages: Folder with sandlock.
    """
    sys.path.append(packages)
    import sandlock as _  # noqa: F401 - once for all

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here asks how they ended
    with socket.socket(fileno=asked) as asking:
        while True:
            data, fds, _flags, _address = socket.recv_fds(asking, 1, FDS)
            if not data:
                return 0
            if os.fork() == 0:
                serve(server, *fds)
            for fd in fds:
                os.close(fd)


def serve(server: int, order: int, out: int, err: int, status: int) -> None:
    """Run one order to its end, and this process to its own."""
    code = NO_START
    try:
        os.setsid()
        os.dup2(out, 1)
        os.dup2(err, 2)
        for fd in (order, out, err, status):
            os.set_inheritable(fd, False)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        watch(server, status)
        os.write(status, b"%d\n" % os.getpid())
        with os.fdopen(order, "rb") as said:
            code = ran(json.load(said))
    except Exception as error:  # noqa: BLE001 - there is nobody to catch it
        os.write(2, f"The sandbox cannot be started ({error}).\n".encode(errors="replace"))
    finally:
        os.write(status, b"%d\n" % code)
        os._exit(code & 255)


def watch(server: int, status: int) -> None:
    """End all of it when the server is gone, says so by SIGTERM, or does not want to know how it ends."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)  # also heard while the main thread is in sandlock's code
    signal.signal(signal.SIGTERM, _heard)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    waiting = poll()
    for fd in (os.pidfd_open(server), told):
        waiting.register(fd)
    waiting.register(status, 0)
    threading.Thread(target=_end_after, args=(waiting,), daemon=True).start()


def ran(order: dict[str, Any]) -> int:
    """Run the command; nothing that it started is left then."""
    from sandlock import Sandbox

    popen: Any = Sandbox(**order["sandbox"]).popen
    with popen(order["argv"], NULL, INHERIT, INHERIT) as process:
        result = process.wait()
        end_all()
    return 128 + result.signal if result.signal > 0 else result.exit_code


def end_all() -> None:
    """End all below this process, also what begins meanwhile."""
    while left():
        for one in below():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        time.sleep(0.001)


def left() -> bool:
    """Whether anything is left below this process; whoever loses its own parent becomes its child."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def below() -> list[int]:
    """The processes below this one, but for those that change parents or threads while they are looked for."""
    found, ahead = list[int](), [os.getpid()]
    while ahead:
        started = children(ahead.pop())
        found += started
        ahead += started
    return found


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that ended hands its children to another
            found += map(int, file.read_text().split())
    return found


def _heard(_number: int, _frame: object) -> None:
    """What is to be done is done by who waits for it."""


def _end_after(waiting: poll) -> None:
    waiting.poll()
    end_all()
    os._exit(KILLED)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
