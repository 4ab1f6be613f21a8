"""The tools again for curl and hooks: each route calls a tool with the request's fields as arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.types import CallToolResult, TextContent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from conductor.toolbox import tools
from servers.kit.errors import InvalidInput, RigError, TooLarge, Unauthenticated, from_wire

MAX_BYTES = 1_000_000
Arguments = dict[str, Any]


@dataclass(frozen=True)
class RestRoute:
    """One door: `names` maps the request's fields to the tool's arguments, `fixed` adds what the path implies."""

    method: str
    path: str
    tool: str
    names: Mapping[str, str]
    fixed: Mapping[str, Any]


ROUTES = (
    RestRoute("POST", "/api/events", "report_event", {}, {}),
    RestRoute("GET", "/api/events", "list_events", {"after": "after", "limit": "limit"}, {}),
    RestRoute("GET", "/api/assignments/next", "claim_assignment", {"waitSeconds": "wait_seconds"}, {}),
    RestRoute("GET", "/api/reviews/next", "claim_assignment", {"waitSeconds": "wait_seconds"}, {"kinds": ["review"]}),
    RestRoute("GET", "/api/issues", "list_issues", {"repo": "repository", "state": "state", "limit": "limit"}, {}),
    RestRoute("GET", "/api/issues/{owner}/{repo}/{number:int}", "get_issue", {}, {}),
    RestRoute("GET", "/api/agents", "list_agents", {}, {}),
    RestRoute("GET", "/api/costs/summary", "get_costs", {"days": "days"}, {}),
)


def routes() -> list[Route]:
    """Every REST route of the conductor."""
    return [Route(r.path, _endpoint(r), methods=[r.method]) for r in ROUTES]


def _endpoint(route: RestRoute) -> Any:
    async def endpoint(request: Request) -> Response:
        try:
            return await _answer(route, request)
        except RigError as error:
            return JSONResponse({"error": error.code(), "message": str(error)}, error.http_status)

    return endpoint


async def _answer(route: RestRoute, request: Request) -> Response:
    if not isinstance(request.scope.get("user"), AuthenticatedUser):
        raise Unauthenticated("Send a token as `Authorization: Bearer …`. Get one with `rig token issue`.")
    said = dict(request.query_params)
    _match_agent(said, request)
    arguments = {to: said[name] for name, to in route.names.items() if name in said} | dict(route.fixed)
    if {"owner", "repo", "number"} <= set(request.path_params):
        p = request.path_params
        arguments["issue"] = f"{p['owner']}/{p['repo']}#{p['number']}"
    if route.method == "POST":
        arguments |= await _json(request)
    result = await tools.call(route.tool, arguments, request.app.state.conductor, _meta(request))
    return _response(result)


def _match_agent(said: Arguments, request: Request) -> None:
    """The original's `agentId` may be given, but it is the token that counts."""
    agent = said.get("agentId")
    if agent is not None and agent != request.user.access_token.subject:
        raise InvalidInput(f"agentId is {agent}, but the token is {request.user.access_token.subject}'s.")


def _meta(request: Request) -> dict[str, Any]:
    keys = {"rig/instance": "x-rig-instance", "rig/boot": "x-rig-boot", "rig/request_id": "idempotency-key"}
    return {key: request.headers[header] for key, header in keys.items() if header in request.headers}


async def _json(request: Request) -> Arguments:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge(f"A request has at most {MAX_BYTES} bytes.")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"The body is not a JSON object ({error}).") from error


def _response(result: CallToolResult) -> Response:
    if result.is_error:
        error = from_wire("".join(block.text for block in result.content if isinstance(block, TextContent)))
        return JSONResponse({"error": error.code(), "message": str(error)}, error.http_status)
    answer = cast(dict[str, Any], result.structured_content or {})
    if "assignment" in answer and answer["assignment"] is None:
        return Response(status_code=204)
    return JSONResponse(answer.get("assignment") or answer.get("result", answer))
