"""The tools again for curl and hooks: each route calls a tool with the request's fields as arguments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.types import CallToolResult, TextContent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from conductor.openapi import document
from conductor.toolbox import tools
from servers.kit.errors import Forbidden, InvalidInput, RigError, TooLarge, Unauthenticated, from_wire

MAX_BYTES = 1_000_000
Arguments = dict[str, Any]


@dataclass(frozen=True)
class RestRoute:
    """One door to a tool.

    Attributes:
        names: The request's fields, in the query or the JSON body, and the tool's arguments that they are.
        fixed: Arguments that the path implies.
        rest: The argument that takes all other fields of the body; without it they are ignored.
    """

    method: str
    path: str
    tool: str
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rest: str | None = None


_REPORT = {"type": "type", "eventType": "type", "claim": "claim", "data": "data"}
_CLAIM = {"waitSeconds": "wait_seconds", "issue": "issue"}
_MERGE = {"issue": "issue"}
_RUNS = {"issue": "issue", "agent": "agent", "limit": "limit"}
_LOG = {"after": "after", "issue": "issue", "agent": "agent", "run": "run", "limit": "limit"}

ROUTES = (
    RestRoute("POST", "/api/events", "report_event", _REPORT, rest="data"),
    RestRoute("GET", "/api/events", "list_events", {"after": "after", "limit": "limit"}),
    RestRoute("GET", "/api/assignments/next", "claim_assignment", _CLAIM),
    RestRoute("GET", "/api/reviews/next", "claim_assignment", _CLAIM, {"kinds": ["review"]}),
    RestRoute("GET", "/api/issues", "list_issues", {"repo": "repository", "state": "state", "limit": "limit"}),
    RestRoute("GET", "/api/issues/{owner}/{repo}/{number}", "get_issue"),
    RestRoute("GET", "/api/agents", "list_agents"),
    RestRoute("GET", "/api/usage", "get_costs", {"days": "days"}, {"by": "repository"}),
    RestRoute("GET", "/api/costs/summary", "get_costs", {"days": "days", "by": "by"}),
    RestRoute("GET", "/api/execution-logs", "list_runs", _RUNS),
    RestRoute("POST", "/api/execution-logs", "report_event", {"claim": "claim"}, {"type": "LOG"}, rest="data"),
    RestRoute("GET", "/api/logs", "list_log", _LOG),
    RestRoute("POST", "/api/merge", "merge_pull_request", _MERGE),
)


def routes() -> list[Route]:
    """Every REST route of the conductor, and the document that describes them."""
    paths: defaultdict[str, dict[str, RestRoute]] = defaultdict(dict)
    for door in ROUTES:
        paths[door.path][door.method] = door
    served = [Route(path, _endpoint(doors), methods=[*doors]) for path, doors in paths.items()]
    return [*served, Route("/api/openapi.json", _describe, methods=["GET"])]


async def _describe(_: Request) -> Response:
    return JSONResponse(document(ROUTES, await tools.schemas()))


def _endpoint(doors: Mapping[str, RestRoute]) -> Any:
    async def endpoint(request: Request) -> Response:
        try:
            return await _answer(doors["GET" if request.method == "HEAD" else request.method], request)
        except RigError as error:
            return _refusal(error)

    return endpoint


async def _answer(route: RestRoute, request: Request) -> Response:
    if not isinstance(request.scope.get("user"), AuthenticatedUser):
        raise Unauthenticated("Send a token as `Authorization: Bearer …`. Get one with `rig token issue`.")
    said = _query(request) if route.method == "GET" else await _json(request)
    _match_agent(said.pop("agentId", None), request)
    arguments = _arguments(route, said) | _issue_of(request.path_params)
    return _response(await tools.call(route.tool, arguments, request.app.state.conductor, _meta(request)))


def _query(request: Request) -> Arguments:
    """The fields of the query; one that stands twice, or says null, is more likely a mistake than meant."""
    said: Arguments = {}
    for name, value in request.query_params.multi_items():
        if name in said or value == "null":
            raise InvalidInput(f"{name[:100]} stands twice or is null. Give it once, or leave it out.")
        said[name] = value
    return said


def _arguments(route: RestRoute, said: Arguments) -> Arguments:
    """The request's fields as the tool's arguments; those that it does not know go together into `rest`."""
    known = {to: said[name] for name, to in route.names.items() if name in said}
    if route.rest:
        others = {name: value for name, value in said.items() if name not in route.names}
        given = cast("Arguments | str | None", known.get(route.rest)) or {}
        known[route.rest] = others | given if isinstance(given, dict) else given
    return known | dict(route.fixed)


def _issue_of(path: Mapping[str, str]) -> Arguments:
    return {"issue": f"{path['owner']}/{path['repo']}#{path['number']}"} if path else {}


def _match_agent(agent: Any, request: Request) -> None:
    """The original's `agentId` may be given, but it is the token that counts."""
    if agent not in (None, request.user.access_token.subject):
        raise Forbidden(f"agentId is {str(agent)[:100]}, but the token is {request.user.access_token.subject}'s.")


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
        return _refusal(from_wire("".join(b.text for b in result.content if isinstance(b, TextContent))))
    answer = cast(dict[str, Any], result.structured_content or {})
    if "assignment" in answer:
        return JSONResponse(answer["assignment"]) if answer["assignment"] else Response(status_code=204)
    return JSONResponse(answer.get("result", answer))


def _refusal(error: RigError) -> Response:
    return JSONResponse({"error": error.code(), "message": str(error)}, error.http_status)
