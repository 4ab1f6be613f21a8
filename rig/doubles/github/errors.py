"""How GitHub refuses: a status, a message, and sometimes a list of what is wrong."""

from __future__ import annotations

from typing import Any

from rig.doubles.github.model import Json

DOCS = "https://docs.github.com/rest"


class Refused(Exception):
    """An answer with an error status."""

    def __init__(
        self, status: int, message: str, errors: list[Any] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def body(self) -> Json:
        body: Json = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        return body | {"documentation_url": DOCS, "status": str(self.status)}


def not_found() -> Refused:
    return Refused(404, "Not Found")


def bad_credentials() -> Refused:
    return Refused(401, "Bad credentials")


def forbidden(message: str = "Resource not accessible by integration") -> Refused:
    return Refused(403, message)


def unprocessable(*errors: Any, message: str = "Unprocessable Entity") -> Refused:
    return Refused(422, message, list(errors))


def invalid(resource: str, field: str, code: str = "invalid", **more: str) -> Refused:
    return Refused(422, "Validation Failed", [{"resource": resource, "field": field, "code": code, **more}])
