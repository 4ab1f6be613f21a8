"""A page of an agent's own: who it is, what it does, what it has spent, and whether it is alive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from html import escape
from http import HTTPStatus
from typing import Any, Final

import h11

from agents.standing import Standing
from servers.kit.logs import get
from servers.kit.money import Money

log = get(__name__)
PATIENCE_SECONDS: Final = 5.0
MOST_BYTES: Final = 16_384
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
HTML, JSON, TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Answer = tuple[HTTPStatus, str, str]


@asynccontextmanager
async def serving(standing: Standing, host: str, port: int) -> AsyncGenerator[int]:
    """Serve the page meanwhile; answers its port, 0 where there is none.

    Args:
        port: Where; with 0 there is no page. One that is taken is no reason not to work.
    """
    try:
        page = Page(standing, host in LOOPBACK)
        server = await asyncio.start_server(page.answer, host, port, limit=MOST_BYTES) if port else None
    except OSError as error:
        log.warning("the agent has no page of its own", port=port, reason=str(error))
        server = None
    try:
        yield server.sockets[0].getsockname()[1] if server else 0
    finally:
        if server:
            server.close()


class Page:
    """Answers requests.

    Args:
        here_only: Whether only this machine's own names are answered, which a page elsewhere cannot send.
    """

    def __init__(self, standing: Standing, here_only: bool) -> None:
        self._standing = standing
        self._here_only = here_only
        self._views: dict[str, Callable[[], Answer]] = {
            "/": lambda: (HTTPStatus.OK, HTML, html(standing.told())),
            "/status.json": lambda: (HTTPStatus.OK, JSON, json.dumps(standing.told())),
            "/healthz": lambda: (HTTPStatus.OK, JSON, json.dumps({"status": "ok", "state": standing.state})),
        }

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and hang up."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_BYTES)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                request = await _read(connection, reader)
                status, kind, body = self._view(request)
                writer.write(_packed(connection, request, status, kind, body.encode()))
                await writer.drain()
        except h11.RemoteProtocolError:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        except (TimeoutError, OSError):
            pass  # whoever asked is gone, or too slow
        finally:
            writer.close()

    def _view(self, request: h11.Request) -> Answer:
        if self._here_only and _host(request) not in LOOPBACK:
            return HTTPStatus.FORBIDDEN, TEXT, "This page is for this machine. RIG_STATUS_HOST opens it.\n"
        if request.method not in (b"GET", b"HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, TEXT, "Only GET.\n"
        view = self._views.get(request.target.decode("ascii").partition("?")[0])
        return view() if view else (HTTPStatus.NOT_FOUND, TEXT, "There are /, /status.json and /healthz.\n")


def html(told: dict[str, Any]) -> str:
    """The page, which asks for itself again every few seconds; all words in it are escaped."""
    run: dict[str, Any] | None = told["run"]
    said: list[dict[str, str]] = run["log"] if run else []
    rows = {
        "State": told["state"],
        "Why": " ".join(told["why"]),
        **(_of_run(run) if run else {}),
        "Runs so far": f"{told['runs']}, for {Money.of(told['spent_usd'])}, since {told['since']}",
        "Last run": told["last"],
        "Providers": ", ".join(told["providers"]),
    }
    title = escape(f"{told['title'] or told['character']} ({told['instance']})")
    table = "".join(f"<tr><th align=left>{name}<td>{escape(str(text))}</tr>" for name, text in rows.items() if text)
    lines = "".join(f"<li>{escape(line['at'][11:19])} {escape(line['text'])}" for line in said)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">'
        f"<title>{title}</title><h1>{title}</h1><table>{table}</table><ol reversed>{lines}</ol></html>\n"
    )


def _of_run(run: dict[str, Any]) -> dict[str, str]:
    return {
        "Claim": f"{run['issue']}, fence {run['fence']}, {run['kind']}, attempt {run['attempt']}",
        "Branch": run["branch"],
        "Step": run["step"],
        "Model calls": f"{run['turns']} of {run['turns_budget']}",
        "Spent": f"{Money.of(run['spent_usd'])} of {Money.of(run['budget_usd'])}",
    }


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(MOST_BYTES))
    if not isinstance(event, h11.Request):
        raise h11.RemoteProtocolError("It hung up before it had asked.")
    return event


def _packed(connection: h11.Connection, request: h11.Request, status: HTTPStatus, kind: str, body: bytes) -> bytes:
    headers = [*HEADERS.items(), ("Content-Type", kind), ("Content-Length", str(len(body)))]
    answer = h11.Response(status_code=status, headers=headers, reason=status.phrase)
    sent = [answer, *([] if request.method == b"HEAD" else [h11.Data(data=body)]), h11.EndOfMessage()]
    return b"".join(connection.send(part) or b"" for part in sent)


def _host(request: h11.Request) -> str:
    host = next((value.decode("ascii", "replace") for name, value in request.headers if name == b"host"), "")
    return host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
