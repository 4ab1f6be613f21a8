"""The double as an application: the API's routes, and `/_double/…` to look inside and order faults."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from rig.doubles.anthropic import faults, rules
from rig.doubles.anthropic.answer import Answer, event, identifier
from rig.doubles.anthropic.errors import ApiError, InvalidRequest, NotFound, Unauthenticated, from_validation
from rig.doubles.anthropic.faults import Fault, Faults
from rig.doubles.anthropic.journal import OPENING, Journal
from rig.doubles.anthropic.request import MessagesRequest, Prompt
from rig.doubles.anthropic.script import Script, Turn, UnexpectedInput
from rig.doubles.anthropic.usage import PromptCache, input_tokens

LARGEST: Final = 32 * 1024 * 1024
RELEASED: Final = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
Body = TypeVar("Body", bound=BaseModel)
Endpoint = Callable[[Request], Awaitable[Response]]


class Events(Response):
    """A stream of server-sent events; a cut one ends without the end, as a lost connection does."""

    media_type = "text/event-stream"

    def __init__(self, parts: list[bytes], headers: dict[str, str], cut: bool = False) -> None:
        super().__init__(headers={**headers, "cache-control": "no-cache"})
        del self.headers["content-length"]
        self._parts = parts
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if not self._cut:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class Scripted:
    """A scripted model, whatever API it stands behind.

    Attributes:
        faults: What is to go wrong.
        journal: What was asked, and what was answered.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._cache = PromptCache()
        self._numbers = itertools.count(1)
        self.faults = Faults()
        self.journal = Journal()

    def _play(self, asked: MessagesRequest) -> Turn:
        try:
            return self._script(asked)
        except UnexpectedInput as unexpected:
            raise InvalidRequest(f"The script {unexpected}") from unexpected

    def _note(
        self, path: str, asked: MessagesRequest, fault: Fault | None, turn: Turn | None = None, **fields: Any
    ) -> None:
        said: dict[str, Any] = {}
        if turn is not None:
            uses = [{"name": one.name, "input": one.input} for one in turn.tool_uses]
            said = {"text": turn.text, "tool_uses": uses, "stop_reason": turn.stop_reason}
        self.journal.add(
            path=path,
            model=asked.model,
            stream=asked.stream,
            messages=len(asked.messages),
            tools=asked.tool_names,
            opening=asked.opening[:OPENING],
            fault=fault.kind if fault else None,
            **said,
            **fields,
        )


class MessagesApi(Scripted):
    """A scripted model behind the Messages API's routes."""

    async def messages(self, request: Request) -> Response:
        parsed, text = await body_of(request, MessagesRequest)
        fault = self.faults.take(text)
        try:
            rules.check(parsed)
            return await self._answer(request, parsed, fault)
        except ApiError as error:
            self._note(
                request.url.path, parsed, fault, headers=told(request), status=error.status, error=error.message
            )
            raise

    async def count_tokens(self, request: Request) -> Response:
        prompt, _ = await body_of(request, Prompt)
        rules.check(prompt)
        return JSONResponse({"input_tokens": input_tokens(prompt)})

    async def models(self, request: Request) -> Response:
        named = request.path_params.get("name")
        known = [model(name, title) for name, title in rules.MODELS.items() if named in (None, name)]
        if not known:
            raise NotFound(f"model: {named}")
        if named:
            return JSONResponse(known[0])
        ends = {"first_id": known[0]["id"], "last_id": known[-1]["id"]}
        return JSONResponse({"data": known, "has_more": False, **ends})

    async def _answer(self, request: Request, parsed: MessagesRequest, fault: Fault | None) -> Response:
        if fault and fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault and (refused := faults.refusal(fault)):
            raise refused
        turn = faults.instead(fault, parsed) or self._play(parsed)
        usage = self._cache.use(parsed, turn)
        name = f"msg_{identifier(parsed.opening, str(next(self._numbers)))}"
        answer = Answer(parsed, turn, usage, name, bool(fault and fault.kind == "broken_json"))
        self._note(
            request.url.path, parsed, fault, turn, headers=told(request), status=HTTPStatus.OK, usage=usage.wire()
        )
        headers = {"request-id": request.state.request_id}
        if not parsed.stream:
            return JSONResponse(answer.message(), headers=headers)
        parts, cut = spoiled(list(answer.events()), fault)
        return Events(parts, headers, cut)


class Admin:
    """The back door: order faults, read the journal."""

    def __init__(self, api: Scripted) -> None:
        self._api = api

    def routes(self) -> list[Route]:
        return [
            Route("/_double/health", self.health),
            Route("/_double/requests", self.requests),
            Route("/_double/faults", answering_errors(self.faults), methods=["GET", "POST", "DELETE"]),
        ]

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "requests": len(self._api.journal.entries())})

    async def requests(self, request: Request) -> Response:
        return JSONResponse([entry.model_dump(mode="json") for entry in self._api.journal.entries()])

    async def faults(self, request: Request) -> Response:
        orders = self._api.faults.orders
        if request.method == "POST":
            order, _ = await body_of(request, Fault)
            orders.append(order)
        elif request.method == "DELETE":
            orders.clear()
        return JSONResponse([order.model_dump() for order in orders])


def create_app(script: Script) -> Starlette:
    api = MessagesApi(script)
    return Starlette(
        routes=[
            Route("/v1/messages", guarded(api.messages), methods=["POST"]),
            Route("/v1/messages/count_tokens", guarded(api.count_tokens), methods=["POST"]),
            Route("/v1/models", guarded(api.models)),
            Route("/v1/models/{name}", guarded(api.models)),
            *Admin(api).routes(),
        ]
    )


def told(request: Request) -> dict[str, str]:
    """The headers that the journal keeps."""
    return {key: request.headers[key] for key in ("anthropic-beta", "user-agent") if key in request.headers}


def guarded(endpoint: Endpoint) -> Endpoint:
    async def with_key(request: Request) -> Response:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not (request.headers.get("x-api-key") or bearer):
            raise Unauthenticated("x-api-key header is required")
        return await endpoint(request)

    return answering_errors(with_key)


def answering_errors(endpoint: Endpoint) -> Endpoint:
    numbers = itertools.count(1)

    async def answer(request: Request) -> Response:
        request_id = f"req_{identifier(request.url.path, str(next(numbers)))}"
        request.state.request_id = request_id
        try:
            return await endpoint(request)
        except ApiError as error:
            headers = {"request-id": request_id, **error.headers}
            return JSONResponse(error.body(request_id), status_code=error.status, headers=headers)

    return answer


async def body_of(request: Request, kind: type[Body]) -> tuple[Body, str]:
    raw = await request.body()
    if len(raw) > LARGEST:
        raise InvalidRequest("Request exceeds the maximum size")
    try:
        return kind.model_validate_json(raw), raw.decode()
    except ValidationError as error:
        raise from_validation(error) from error


def spoiled(parts: list[bytes], fault: Fault | None) -> tuple[list[bytes], bool]:
    """The events after a fault in the middle of the stream, and whether the connection is lost with them."""
    half = parts[: max(2, len(parts) // 2)]
    match fault and fault.kind:
        case "cut":
            return half, True
        case "overloaded_midway":
            return [*half, event("error", error={"type": "overloaded_error", "message": "Overloaded"})], False
        case _:
            return parts, False


def model(name: str, title: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": title, "created_at": RELEASED, "lifecycle": "active"}
