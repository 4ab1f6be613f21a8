"""The sample server as a program: `python -m tests.kit.sample PORT KEYFILE GRACE [break]`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from servers.kit import logs
from servers.kit.auth import SigningKey, Verifier, jwks_route
from servers.kit.errors import InvalidInput, RigError
from servers.kit.serve import Part, build_app, serve_http
from tests.kit.conftest import State, tools


async def ticks() -> AsyncGenerator[bytes]:
    """Something to stream, for ever."""
    while True:
        yield b"tick\n"
        await asyncio.sleep(0.05)


async def events(_: Request) -> Response:
    async def endless() -> AsyncGenerator[dict[str, str]]:
        async for _ in ticks():
            yield {"data": "tick"}

    return EventSourceResponse(endless())


async def parked(request: Request) -> Response:
    return JSONResponse(request.app.state.sample.parked)


async def raw(_: Request) -> Response:
    return StreamingResponse(ticks())


@asynccontextmanager
async def healthy() -> AsyncGenerator[State]:
    yield State()
    sys.stderr.write("closed\n")


@asynccontextmanager
async def refusing() -> AsyncGenerator[State]:
    if sys.argv[4] == "at-start":
        raise InvalidInput("The sample is told to fail.")
    async with asyncio.TaskGroup() as group:
        state = State()
        group.create_task(_fail_when_told(state))
        yield state


async def _fail_when_told(state: State) -> None:
    await state.release.wait()
    raise InvalidInput("The sample is told to fail later.")


async def tell_to_fail(request: Request) -> Response:
    request.app.state.sample.release.set()
    return Response()


def main() -> int:
    logs.configure("INFO", json=True)
    port, grace = int(sys.argv[1]), int(sys.argv[3])
    key = SigningKey.load_or_create(Path(sys.argv[2]))
    opened = refusing if len(sys.argv) > 4 else healthy
    routes = [
        Route("/events", events),
        Route("/raw", raw),
        Route("/fail", tell_to_fail),
        Route("/parked", parked),
        jwks_route(key),
    ]
    app = build_app([Part(tools, opened, routes)], Verifier.of(key), f"http://127.0.0.1:{port}")
    try:
        asyncio.run(serve_http(app, "127.0.0.1", port, grace))
    except RigError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
