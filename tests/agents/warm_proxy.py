"""Stands for a program that another process runs: hands its streams on and ends as the program does."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(sys.argv[1])
    order = {"argv": sys.argv[2:], "cwd": os.getcwd(), "env": dict(os.environ)}  # noqa: PTH109 - pathlib takes long to import
    socket.send_fds(sock, [json.dumps(order).encode()], [0, 1, 2])
    for stream in (0, 1):
        os.close(stream)
    with sock.makefile() as said:
        said.readline()
        sys.exit(int(said.readline() or "1"))
