"""Refusals in the shape the Messages API gives them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import ValidationError

OVERLOADED = 529


class ApiError(Exception):
    """A refusal with the API's own type and status."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    type: str = "api_error"

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, object]:
        error = {"type": self.type, "message": self.message}
        return {"type": "error", "error": error, "request_id": request_id}


class InvalidRequest(ApiError):
    status = HTTPStatus.BAD_REQUEST
    type = "invalid_request_error"


class Unauthenticated(ApiError):
    status = HTTPStatus.UNAUTHORIZED
    type = "authentication_error"


class NotFound(ApiError):
    status = HTTPStatus.NOT_FOUND
    type = "not_found_error"


class RateLimited(ApiError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    type = "rate_limit_error"


class Overloaded(ApiError):
    status = OVERLOADED
    type = "overloaded_error"


def from_validation(error: ValidationError) -> InvalidRequest:
    """The first complaint, with the place spelt as the API spells it: `messages.0.content: …`."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return InvalidRequest(f"{place}: {first['msg']}" if place else str(first["msg"]))
