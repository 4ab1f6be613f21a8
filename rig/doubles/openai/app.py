"""The double as an application: `/v1/responses`, and `/_double/…` as the Messages API's double has it."""

from __future__ import annotations

import asyncio
import itertools
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rig.doubles.anthropic import faults
from rig.doubles.anthropic.answer import identifier
from rig.doubles.anthropic.app import Admin, Events, answering_errors, body_of
from rig.doubles.anthropic.errors import ApiError, InvalidRequest
from rig.doubles.anthropic.faults import Fault, Faults
from rig.doubles.anthropic.journal import OPENING, Journal
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Script, Turn, UnexpectedInput
from rig.doubles.anthropic.usage import PromptCache
from rig.doubles.openai.answer import Answer, event
from rig.doubles.openai.errors import ResponsesError, translated
from rig.doubles.openai.request import ResponsesRequest


class ResponsesApi:
    """One scripted model behind the API's routes."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._cache = PromptCache()
        self._numbers = itertools.count(1)
        self.faults = Faults()
        self.journal = Journal()

    async def responses(self, request: Request) -> Response:
        try:
            require_key(request)
            parsed, text = await body_of(request, ResponsesRequest)
            return await self._answer(parsed, parsed.as_messages(), self.faults.take(text))
        except ApiError as error:
            return refused(translated(error))
        except ResponsesError as error:
            return refused(error)

    async def _answer(self, parsed: ResponsesRequest, said: MessagesRequest, fault: Fault | None) -> Response:
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        try:
            if fault and (refusal := faults.refusal(fault)):
                raise refusal
            turn = faults.instead(fault, said) or self._play(said)
        except ApiError as error:
            self._note(said, fault, status=error.status, error=error.message)
            raise
        usage = self._cache.use(said, turn)
        name = f"resp_{identifier(said.opening, str(next(self._numbers)))}"
        answer = Answer(parsed, turn, usage, name, bool(fault and fault.kind == "broken_json"))
        self._note(said, fault, status=HTTPStatus.OK, turn=turn, usage=usage.wire())
        parts, cut = spoiled(list(answer.events()), fault)
        return Events(parts, {"x-request-id": name}, cut)

    def _play(self, said: MessagesRequest) -> Turn:
        try:
            return self._script(said)
        except UnexpectedInput as unexpected:
            raise InvalidRequest(f"The script {unexpected}") from unexpected

    def _note(self, said: MessagesRequest, fault: Fault | None, turn: Turn | None = None, **fields: Any) -> None:
        answered: dict[str, Any] = {}
        if turn is not None:
            uses = [{"name": one.name, "input": one.input} for one in turn.tool_uses]
            answered = {"text": turn.text, "tool_uses": uses, "stop_reason": turn.stop_reason}
        self.journal.add(
            path="/v1/responses",
            model=said.model,
            stream=said.stream,
            messages=len(said.messages),
            tools=said.tool_names,
            opening=said.opening[:OPENING],
            fault=fault.kind if fault else None,
            **answered,
            **fields,
        )


def create_app(script: Script) -> Starlette:
    api = ResponsesApi(script)
    admin = Admin(api)
    return Starlette(
        routes=[
            Route("/v1/responses", api.responses, methods=["POST"]),
            Route("/_double/health", admin.health),
            Route("/_double/requests", admin.requests),
            Route("/_double/faults", answering_errors(admin.faults), methods=["GET", "POST", "DELETE"]),
        ]
    )


def require_key(request: Request) -> None:
    if not request.headers.get("authorization", "").removeprefix("Bearer "):
        raise ResponsesError("You didn't provide an API key.", HTTPStatus.UNAUTHORIZED)


def refused(error: ResponsesError) -> Response:
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)


def spoiled(parts: list[bytes], fault: Fault | None) -> tuple[list[bytes], bool]:
    """The events after a fault in the middle of the stream, and whether the connection is lost with them."""
    half = parts[: max(1, len(parts) // 2)]
    match fault and fault.kind:
        case "cut":
            return half, True
        case "overloaded_midway":
            failure = {"code": "server_is_overloaded", "message": "The server is overloaded."}
            return [*half, event("response.failed", response={"status": "failed", "error": failure})], False
        case _:
            return parts, False
