"""The pages' routes: the page itself, its parts, its files, and the live stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from conductor.views import events_after, list_issues
from dashboard.access import Access, refusal
from dashboard.feed import Feed
from dashboard.page import STATIC, issue_table, page
from servers.kit.database import Pool
from servers.kit.errors import InvalidInput, NotFound, RigError, Unavailable
from servers.kit.wake import Wake

MOST_STREAMS = 200
SEND_SECONDS = 10.0
EVENTS_SHOWN = 50
FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Handler = Callable[[Request], Awaitable[Response]]


class Source(Protocol):
    """What the conductor opened, as far as the pages need it."""

    @property
    def pool(self) -> Pool: ...
    @property
    def wake(self) -> Wake: ...


class Dashboard:
    """The pages over what the conductor opened at `app.state.conductor`."""

    def __init__(self, access: Access, most_streams: int = MOST_STREAMS) -> None:
        self._access = access
        self._most_streams = most_streams
        self._streams = 0
        self._feed: Feed | None = None

    def routes(self) -> list[BaseRoute]:
        """The routes to mount."""
        return [
            Route("/", self._guarded(self._page)),
            Route("/parts/issues", self._guarded(self._issues)),
            Route("/events/stream", self._guarded(self._stream)),
            Route("/static/{name}", self._guarded(self._file)),
        ]

    def close(self) -> None:
        """End all live streams."""
        if self._feed is not None:
            self._feed.close()

    def _guarded(self, handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            try:
                signed_in = await self._access.sign_in(request)
                if signed_in is not None:
                    return signed_in
                await self._access.require(request)
                answer = await handler(request)
            except RigError as error:
                answer = refusal(error)
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
            return answer

        return endpoint

    async def _page(self, request: Request) -> Response:
        pool = _source(request).pool
        position = await self._open_feed(request).newest()
        events = await events_after(pool, max(position - EVENTS_SHOWN, 0), EVENTS_SHOWN)
        return HTMLResponse(page(await list_issues(pool), events, position), headers={"Cache-Control": "no-store"})

    async def _issues(self, request: Request) -> Response:
        issues = await list_issues(_source(request).pool)
        return HTMLResponse(issue_table(issues), headers={"Cache-Control": "no-store"})

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise NotFound(f"There is no file {name}.")
        return FileResponse(STATIC / name, media_type=FILES[name], headers={"Cache-Control": "max-age=60"})

    async def _stream(self, request: Request) -> Response:
        if self._streams >= self._most_streams:
            raise Unavailable(f"{self._streams} live streams are open already. Close a page.")
        feed = self._open_feed(request)
        position = await _resume_at(request, feed)
        return EventSourceResponse(self._sent(feed, position), ping=15, send_timeout=SEND_SECONDS)

    async def _sent(self, feed: Feed, position: int) -> AsyncGenerator[ServerSentEvent]:
        self._streams += 1
        try:
            async for event in feed.follow(position):
                yield ServerSentEvent(data=event.model_dump_json(), id=str(event.position), event="event")
        finally:
            self._streams -= 1

    def _open_feed(self, request: Request) -> Feed:
        if self._feed is None:
            source = _source(request)
            self._feed = Feed(source.pool, source.wake)
        return self._feed


def _source(request: Request) -> Source:
    return request.app.state.conductor


async def _resume_at(request: Request, feed: Feed) -> int:
    """Where a stream starts: behind the last event the client saw, by default behind the newest."""
    given = request.headers.get("last-event-id") or request.query_params.get("after")
    if given is None:
        return await feed.newest()
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise InvalidInput(f"{given[:40]!r} is not a position; give the number of an event, or 0 for all.")
    return int(given)
