"""`POST /api/graphql`."""

from __future__ import annotations

from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rig.doubles.github.auth import viewer_of
from rig.doubles.github.call import rate_headers
from rig.doubles.github.errors import Refused
from rig.doubles.github.graphql import pulls, reads, relations, reviews, writes
from rig.doubles.github.graphql.engine import execute
from rig.doubles.github.model import Json

RESOLVERS = (reads, pulls, relations, reviews, writes)


async def answer(request: Request) -> Response:
    try:
        viewer = viewer_of(request.app.state.world, request.headers.get("authorization"))
        request.state.viewer = viewer
        viewer.signed_in()
        body = await _body(request)
    except Refused as refusal:
        return JSONResponse(refusal.body(), refusal.status)
    found = await execute(request.app.state.world, viewer, body)
    return JSONResponse(found, headers=rate_headers(request))


async def _body(request: Request) -> Json:
    try:
        body: Any = await request.json()
    except (ValueError, RecursionError):
        raise Refused(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "Body should be a JSON object")
    return cast(Json, body)


routes = [Route("/api/graphql", answer, methods=["POST"])]
