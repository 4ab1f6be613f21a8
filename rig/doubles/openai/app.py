"""The double as an application: `/v1/responses`, and `/_double/…` as the Messages API's double has it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rig.doubles.anthropic import faults
from rig.doubles.anthropic.answer import identifier
from rig.doubles.anthropic.app import Admin, Events, Scripted, body_of
from rig.doubles.anthropic.errors import ApiError
from rig.doubles.anthropic.faults import Fault
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Script
from rig.doubles.openai.answer import Answer, event
from rig.doubles.openai.errors import ResponsesError, translated
from rig.doubles.openai.request import ResponsesRequest

PATH: Final = "/v1/responses"


class ResponsesApi(Scripted):
    """A scripted model behind the Responses API's route."""

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
        if fault and fault.seconds:
            await asyncio.sleep(fault.seconds)
        try:
            if fault and (refusal := faults.refusal(fault)):
                raise refusal
            turn = faults.instead(fault, said) or self._play(said)
        except ApiError as error:
            self._note(PATH, said, fault, status=error.status, error=error.message)
            raise
        usage = self._cache.use(said, turn)
        name = f"resp_{identifier(said.opening, str(next(self._numbers)))}"
        answer = Answer(parsed, turn, usage, name, bool(fault and fault.kind == "broken_json"))
        self._note(PATH, said, fault, turn, status=HTTPStatus.OK, usage=usage.wire())
        parts, cut = spoiled(list(answer.events()), fault)
        return Events(parts, {"x-request-id": name}, cut)


def create_app(script: Script) -> Starlette:
    api = ResponsesApi(script)
    return Starlette(
        routes=[
            Route(PATH, api.responses, methods=["POST"]),
            *Admin(api).routes(),
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
