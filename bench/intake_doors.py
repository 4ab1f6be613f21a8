"""Three doors for webhooks in one server: the conductor's own, one that only checks the HMAC, and a naive one."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conductor.intake.door import Front, Intake
from conductor.intake.postbox import Postbox
from conductor.store.writer import Store
from servers.kit.database import open_pool
from servers.kit.serve import settle
from servers.kit.wake import PostgresWake, background

SECRET = "sesame"
TABLE = "CREATE TABLE naive (guid text PRIMARY KEY, event text NOT NULL, payload bytea NOT NULL)"
INSERT = "INSERT INTO naive VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


async def only_verified(request: Request) -> Response:
    """What no door can do without."""
    await _verified(request)
    return Response(status_code=202)


async def naive(request: Request) -> Response:
    """What one writes first: read, check, parse, insert, commit."""
    body = await _verified(request)
    json.loads(body)
    async with request.app.state.pool.acquire() as connection:
        await connection.execute(
            INSERT, request.headers["x-github-delivery"], request.headers["x-github-event"], body
        )
    return Response(status_code=202)


async def _verified(request: Request) -> bytes:
    body = await request.body()
    expected = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers["x-hub-signature-256"]):
        raise PermissionError("forged")
    return body


@asynccontextmanager
async def opened(app: Starlette) -> AsyncGenerator[None]:
    """The conductor's door with its group writer; nobody translates behind it."""
    async with open_pool(os.environ["RIG_DATABASE_URL"], size=10) as pool:
        postbox = Postbox(Store(pool, PostgresWake(pool.execute, origin="bench")))
        await pool.execute(TABLE)
        app.state.pool = pool
        app.state.conductor = SimpleNamespace(intake=Intake(postbox, [SECRET]))
        async with background(postbox.run()):
            settle()
            yield


def main() -> None:
    routes = [
        Route("/verified", only_verified, methods=["POST"]),
        Route("/naive", naive, methods=["POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Front)], lifespan=opened)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
