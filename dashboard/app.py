"""The pages' routes: the page itself, its parts, its files, and the live stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from conductor.logbook import LogLine, newest
from conductor.messages import recent
from conductor.presence import read_agents, read_pauses
from conductor.runs import runs_of
from conductor.views import EventView, Rules, events_after, list_issues
from dashboard.access import Access, refusal
from dashboard.feed import EVENTS, LOG, Feed, T
from dashboard.messages import SHOWN
from dashboard.page import STATIC, Shown, page, work
from dashboard.runs import run_list
from servers.kit.character import Character
from servers.kit.clock import SystemClock
from servers.kit.database import Pool
from servers.kit.errors import InvalidInput, NotFound, RigError, Unavailable
from servers.kit.wake import Wake

MOST_STREAMS = 200
SEND_SECONDS = 10.0
EVENTS_SHOWN = LINES_SHOWN = 50
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
    @property
    def catalogue(self) -> Mapping[str, Character]: ...
    @property
    def rules(self) -> Rules: ...


@dataclass(frozen=True)
class Feeds:
    """What the live streams follow."""

    events: Feed[EventView]
    log: Feed[LogLine]


class Dashboard:
    """The pages over what the conductor opened at `app.state.conductor`."""

    def __init__(self, access: Access, most_streams: int = MOST_STREAMS) -> None:
        self._access = access
        self._most_streams = most_streams
        self._streams = 0
        self._feeds: Feeds | None = None

    def routes(self) -> list[BaseRoute]:
        """The routes to mount."""
        return [
            Route("/", self._guarded(self._page)),
            Route("/parts/issues", self._guarded(self._issues)),
            Route("/parts/runs/{owner}/{repo}/{number:int}", self._guarded(self._runs)),
            Route("/events/stream", self._guarded(self._events)),
            Route("/log/stream", self._guarded(self._log)),
            Route("/static/{name}", self._guarded(self._file)),
        ]

    def close(self) -> None:
        """End all live streams."""
        if self._feeds is not None:
            self._feeds.events.close()
            self._feeds.log.close()

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
        source, feeds = _source(request), self._opened(request)
        position, line = await feeds.events.newest(), await feeds.log.newest()
        events = await events_after(source.pool, max(position - EVENTS_SHOWN, 0), EVENTS_SHOWN)
        shown = replace(await _work(source), events=events, lines=await newest(source.pool, LINES_SHOWN))
        return _fresh(page(shown, position, line))

    async def _issues(self, request: Request) -> Response:
        return _fresh(work(await _work(_source(request))))

    async def _runs(self, request: Request) -> Response:
        issue = "{owner}/{repo}#{number}".format_map(request.path_params)
        return _fresh(run_list(issue, await runs_of(_source(request).pool, issue, SystemClock().now())))

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise NotFound(f"There is no file {name}.")
        return FileResponse(STATIC / name, media_type=FILES[name], headers={"Cache-Control": "max-age=60"})

    async def _events(self, request: Request) -> Response:
        return await self._stream(request, self._opened(request).events, "event")

    async def _log(self, request: Request) -> Response:
        return await self._stream(request, self._opened(request).log, "line")

    async def _stream(self, request: Request, feed: Feed[T], name: str) -> Response:
        if self._streams >= self._most_streams:
            raise Unavailable(f"{self._streams} live streams are open already. Close a page.")
        number = await _resume_at(request, feed)
        return EventSourceResponse(self._sent(feed, number, name), ping=15, send_timeout=SEND_SECONDS)

    async def _sent(self, feed: Feed[T], number: int, name: str) -> AsyncGenerator[ServerSentEvent]:
        self._streams += 1
        try:
            async for item in feed.follow(number):
                data = cast(BaseModel, item).model_dump_json()
                yield ServerSentEvent(data=data, id=str(feed.number(item)), event=name)
        finally:
            self._streams -= 1

    def _opened(self, request: Request) -> Feeds:
        if self._feeds is None:
            source = _source(request)
            self._feeds = Feeds(Feed(source.pool, source.wake, EVENTS), Feed(source.pool, source.wake, LOG))
        return self._feeds


async def _work(source: Source) -> Shown:
    return Shown(
        issues=await list_issues(source.pool, source.rules),
        messages=await recent(source.pool, SHOWN),
        pauses=await read_pauses(source.pool),
        agents=await read_agents(source.pool, source.catalogue, SystemClock()),
    )


def _fresh(html: str) -> Response:
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def _source(request: Request) -> Source:
    return request.app.state.conductor


async def _resume_at(request: Request, feed: Feed[T]) -> int:
    """Where a stream starts: behind the last event the client saw, by default behind the newest."""
    given = request.headers.get("last-event-id") or request.query_params.get("after")
    if given is None:
        return await feed.newest()
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise InvalidInput(f"{given[:40]!r} is not a position; give the number of an event, or 0 for all.")
    return int(given)
