"""A double as a process of its own: it says where it listens, and ends when told to or with whoever started it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

START_SECONDS: Final = 30
STOP_SECONDS: Final = 15


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncGenerator[tuple[str, int]]:
    """The double that `module` runs, for as long as the block lasts and we live; its address and process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, "--with-parent", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield await _address(process, module), process.pid
    finally:
        await _stop(process)


async def _address(process: asyncio.subprocess.Process, module: str) -> str:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    async with asyncio.timeout(START_SECONDS):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"{module} ended with {await process.wait()} before it answered")
    return str(json.loads(line)["url"])


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


async def announced(url: str, *, with_parent: bool) -> None:
    """Say where this process listens, and wait until it is told to end.

    Args:
        with_parent: Whether the end of standard input tells it too: whoever started us is gone, however it went.
    """
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    watching = asyncio.create_task(_parent_gone(ended)) if with_parent else None
    await ended.wait()
    if watching:
        watching.cancel()


async def _parent_gone(ended: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        continue
    ended.set()
