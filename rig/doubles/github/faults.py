"""Faults on request: errors before or after the write took effect, rate limits, slowness, cut connections."""

from __future__ import annotations

import asyncio
import fnmatch
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rig.doubles.github.errors import Refused
from rig.doubles.github.model import now

Kind = Literal["status", "after", "rate_limit", "secondary_limit", "slow", "cut", "cut_after"]
ADMIN = "/_double/"


@dataclass
class Fault:
    """What goes wrong with requests of a method and a path pattern, for the next so many."""

    kind: Kind
    method: str = "*"
    path: str = "*"
    count: int = 1
    skip: int = 0
    status: int = 500
    seconds: float = 1.0
    hits: int = 0

    def takes(self, method: str, path: str) -> bool:
        if self.method not in ("*", method) or not fnmatch.fnmatchcase(path, self.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        return self.count > 0


@dataclass
class Faults:
    active: list[Fault] = field(default_factory=list[Fault])

    def next_for(self, method: str, path: str) -> Fault | None:
        for fault in self.active:
            if fault.takes(method, path):
                fault.count -= 1
                fault.hits += 1
                return fault
        return None


class FaultMiddleware:
    """Stands before everything but the admin API."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        fault = None
        if scope["type"] == "http" and not path.startswith(ADMIN):
            fault = self.faults.next_for(scope["method"], path)
        if fault is None:
            await self.app(scope, receive, send)
        else:
            await self._suffer(fault, scope, receive, send)

    async def _suffer(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.seconds)
                await self.app(scope, receive, send)
            case "after":
                await self.app(scope, receive, _nowhere)
                await _answer(send, fault.status, f"Injected {fault.status} after the request took effect")
            case "cut_after":
                await self.app(scope, receive, _nowhere)
                cut(send)
            case "cut":
                cut(send)
            case "rate_limit":
                await _limited(send, fault)
            case "secondary_limit":
                message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
                await _answer(send, fault.status, message, {"Retry-After": str(int(fault.seconds))}.items())
            case "status":
                await _answer(send, fault.status, f"Injected {fault.status}")


async def _limited(send: Send, fault: Fault) -> None:
    reset = int(now().timestamp() + fault.seconds)
    headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
    message = "API rate limit exceeded for user ID 1."
    await _answer(send, fault.status if fault.status != 500 else 403, message, headers.items())


async def _answer(send: Send, status: int, message: str, headers: Iterable[tuple[str, str]] = ()) -> None:
    body = json.dumps(Refused(status, message).body()).encode()
    raw = [(k.lower().encode(), v.encode()) for k, v in headers]
    raw += [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _nowhere(message: Message) -> None:
    """The client never sees this answer."""


def cut(send: Send) -> None:
    """Drop the connection without an answer; uvicorn's send is a method of the object that owns it."""
    owner = getattr(send, "__self__", None)
    transport = getattr(owner, "transport", None)
    if transport is None:
        raise ConnectionError("the server does not let its connection be cut")
    transport.abort()
