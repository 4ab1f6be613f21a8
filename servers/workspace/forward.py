"""Runs inside a sandbox without network: a port of its own that leads to the gate's socket, beside the command."""

import os
import signal
import socket
import sys
import threading

PORT = 3128
PIECE = 64 * 1024


def main(gate: str, argv: list[str]) -> int:
    """Run the command to its end; answers its exit code."""
    listening = socket.create_server(("127.0.0.1", PORT), backlog=128)
    child = os.fork()
    if child == 0:
        listening.close()
        os.execvp(argv[0], argv)  # noqa: S606 - the command itself
    threading.Thread(target=serve, args=(listening, gate), daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def serve(listening: socket.socket, gate: str) -> None:
    """Lead every connection to the gate."""
    while True:
        near, _ = listening.accept()
        threading.Thread(target=lead, args=(near, gate), daemon=True).start()


def lead(near: socket.socket, gate: str) -> None:
    """Copy both ways until both are done."""
    with near, socket.socket(socket.AF_UNIX) as far:
        far.connect(gate)
        back = threading.Thread(target=copy, args=(far, near), daemon=True)
        back.start()
        copy(near, far)
        back.join()


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy one way to the end."""
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
