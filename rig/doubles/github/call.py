"""One REST call: the request with its viewer and repository, and the answer it becomes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rig.doubles.github.auth import Viewer, viewer_of
from rig.doubles.github.errors import Refused, invalid
from rig.doubles.github.model import Issue, Json, PullRequest, Repository, Role, User, now
from rig.doubles.github.state import World, find_issue, find_pull

Item = TypeVar("Item")
HOURLY_LIMIT = 5000


@dataclass
class Reply:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    media: str | None = None


Answer = Reply | Json | list[Json]
Handler = Callable[["Call"], Awaitable[Answer]]


@dataclass
class Call:
    request: Request
    world: World
    viewer: Viewer
    body: Json

    @cached_property
    def repository(self) -> Repository:
        found = self.world.repository(self.param("owner"), self.param("repo"))
        self.viewer.require(found, "read")
        return found

    @property
    def issue(self) -> Issue:
        return find_issue(self.repository, int(self.param("number")))

    @property
    def pull(self) -> PullRequest:
        return find_pull(self.repository, int(self.param("number")))

    @property
    def user(self) -> User:
        return self.viewer.signed_in()

    def param(self, name: str) -> str:
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default)

    def accepts(self, media: str) -> bool:
        return media in self.request.headers.get("accept", "")

    def require(self, role: Role, grant: str = "") -> User:
        """The caller, who must have this role here (and, as an App, this permission)."""
        self.viewer.require(self.repository, role)
        user = self.viewer.signed_in()
        if grant:
            self.viewer.require_grant(grant)
        return user

    def text(self, name: str, resource: str, *, required: bool = True) -> str:
        value = self.body.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            raise invalid(resource, name, "missing_field" if value is None else "invalid")
        return value

    def page(self, items: Sequence[Item], shape: Callable[[Item], Json]) -> Reply:
        """One page of a list with GitHub's Link header."""
        size = min(max(_number(self.query("per_page"), 30), 1), 100)
        page = max(_number(self.query("page"), 1), 1)
        last = max((len(items) + size - 1) // size, 1)
        links = _links(page, last)
        shown = [shape(item) for item in items[(page - 1) * size : page * size]]
        header = ", ".join(f'<{self._page_url(number)}>; rel="{rel}"' for rel, number in links.items())
        return Reply(shown, headers={"Link": header} if header else {})

    def _page_url(self, number: int) -> str:
        query = [(k, v) for k, v in self.request.query_params.multi_items() if k != "page"]
        return f"{self.world.url}{self.request.url.path}?{urlencode([*query, ('page', str(number))])}"


def _links(page: int, last: int) -> dict[str, int]:
    links: dict[str, int] = {}
    if page > 1:
        links |= {"prev": page - 1, "first": 1}
    if page < last:
        links |= {"next": page + 1, "last": last}
    return links


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default


def rest(path: str, method: str, handler: Handler) -> Route:
    """A route of the REST API, under the prefix that GitHub Enterprise Server gives it."""

    async def endpoint(request: Request) -> Response:
        try:
            answer = await handler(await open_call(request))
        except Refused as refusal:
            answer = Reply(refusal.body(), refusal.status, refusal.headers)
        return respond(answer if isinstance(answer, Reply) else Reply(answer), request)

    return Route(f"/api/v3{path}", endpoint, methods=[method])


async def open_call(request: Request) -> Call:
    world: World = request.app.state.world
    viewer = viewer_of(world, request.headers.get("authorization"))
    request.state.viewer = viewer
    return Call(request, world, viewer, await _body(request))


async def _body(request: Request) -> Json:
    if request.method in ("GET", "HEAD"):
        return {}
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        parsed: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused(400, "Problems parsing JSON") from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise Refused(400, "Body should be a JSON object")
    return parsed  # pyright: ignore[reportUnknownVariableType]


def respond(reply: Reply, request: Request) -> Response:
    headers = reply.headers | rate_headers(request)
    if reply.media is not None:
        return Response(reply.body, reply.status, headers, media_type=reply.media)
    if reply.status == 204:
        return Response(status_code=204, headers=headers)
    return JSONResponse(reply.body, reply.status, headers)


def rate_headers(request: Request) -> dict[str, str]:
    """The hourly budget of the caller; counted, never enforced (faults do that)."""
    viewer: Viewer = getattr(request.state, "viewer", Viewer())
    used: dict[str, int] = request.app.state.used
    used[viewer.key] = used.get(viewer.key, 0) + 1
    limit = HOURLY_LIMIT if viewer.user or viewer.app else 60
    return {
        "X-GitHub-Request-Id": f"RIG:{sum(used.values()):08X}",
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(limit - used[viewer.key], 0)),
        "X-RateLimit-Used": str(used[viewer.key]),
        "X-RateLimit-Reset": str((int(now().timestamp()) // 3600 + 1) * 3600),
        "X-RateLimit-Resource": "core",
    }
