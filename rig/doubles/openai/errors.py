"""Refusals in the shape the Responses API gives them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rig.doubles.anthropic import errors as messages


class ResponsesError(Exception):
    """A refusal with the API's own status and fields."""

    def __init__(
        self,
        message: str,
        status: int,
        type: str = "invalid_request_error",
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {"error": {"message": message, "type": type, "param": None, "code": code, **more}}


class BadRequest(ResponsesError):
    """The request makes no sense."""

    def __init__(self, message: str) -> None:
        super().__init__(message, HTTPStatus.BAD_REQUEST)


def translated(error: messages.ApiError) -> ResponsesError:
    """A refusal of the Messages API's double as the Responses API puts it."""
    match error:
        case messages.Unauthenticated():
            text = "Incorrect API key provided."
            return ResponsesError(text, HTTPStatus.UNAUTHORIZED, code="invalid_api_key")
        case messages.RateLimited() if reset := error.headers.get("anthropic-ratelimit-unified-reset"):
            text = "The usage limit has been reached"
            return ResponsesError(
                text, HTTPStatus.TOO_MANY_REQUESTS, "usage_limit_reached", plan_type="plus", resets_at=int(reset)
            )
        case messages.RateLimited():
            text, code = "Rate limit reached for requests.", "rate_limit_exceeded"
            return ResponsesError(text, HTTPStatus.TOO_MANY_REQUESTS, "requests", code, error.headers)
        case messages.InvalidRequest() if "credit balance" in error.message:
            text, code = "You exceeded your current quota, please check your plan.", "insufficient_quota"
            return ResponsesError(text, HTTPStatus.TOO_MANY_REQUESTS, code, code)
        case messages.InvalidRequest():
            return BadRequest(error.message)
        case messages.NotFound():
            return ResponsesError(error.message, HTTPStatus.NOT_FOUND, code="model_not_found")
        case messages.Overloaded():
            text = "Our servers are currently overloaded. Please try again later."
            return ResponsesError(text, HTTPStatus.SERVICE_UNAVAILABLE, "server_error")
        case _:
            return ResponsesError(error.message, HTTPStatus.INTERNAL_SERVER_ERROR, "server_error")
