"""The tree of errors that a caller of the rig can meet.

    RigError
    ├── Refused            the caller must change something; trying again does not help
    │   ├── InvalidInput       an argument, file, flag or setting is wrong
    │   ├── TooLarge           … or too big
    │   ├── NotFound
    │   ├── Unauthenticated    no token, or one that does not verify
    │   ├── Forbidden          the role or the claim does not allow it
    │   ├── Denied             the guard does not let a model do it
    │   ├── Fenced             the claim lapsed, or somebody else holds it now
    │   ├── Superseded         another process of the same instance took the claim over
    │   ├── IllegalTransition  the lifecycle has no such step from here
    │   └── Conflict           the world moved; read again, then decide
    └── Unavailable        trying again later may help
        ├── RateLimited
        ├── TimedOut
        └── Unsettled      everybody answers, but not yet what is needed

On the wire (a tool's `is_error` text) an error is `code: sentence`; the code is the class in snake case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, cast


class RigError(Exception):
    """Anything that the rig refuses or cannot do, said in one sentence with what to do next."""

    http_status: ClassVar[int] = 500

    @classmethod
    def code(cls) -> str:
        """The class's name in snake case, as it stands on the wire."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __str__(self) -> str:
        return super().__str__() or self.code().replace("_", " ")

    def wire(self) -> str:
        """The error as the text of a tool result."""
        return f"{self.code()}: {self}"


class Refused(RigError):
    http_status = 400


class InvalidInput(Refused):
    http_status = 422


class TooLarge(Refused):
    http_status = 413


class NotFound(Refused):
    http_status = 404


class Unauthenticated(Refused):
    http_status = 401


class Forbidden(Refused):
    http_status = 403


class Denied(Refused):
    http_status = 403


class Fenced(Refused):
    http_status = 409


class Superseded(Refused):
    http_status = 409


class IllegalTransition(Refused):
    http_status = 409


class Conflict(Refused):
    http_status = 409


class Unavailable(RigError):
    http_status = 503


class RateLimited(Unavailable):
    """A limit with a known or unknown end; `retry_after` is in seconds."""

    http_status = 429

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(Unavailable):
    http_status = 504


class Unsettled(Unavailable):
    """Asked too often, it is given up."""


def _tree(cls: type[RigError]) -> Iterator[type[RigError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _tree(child)


def from_wire(text: str) -> RigError:
    """The error that a tool's `is_error` text stands for; unknown codes become a plain RigError."""
    code, _, message = text.partition(": ")
    if code == RateLimited.code():
        said = re.search(r"Try again in (\d+) s\b", message)
        return RateLimited(message, float(said[1]) if said else None)
    for cls in _tree(RigError):
        if cls.code() == code:
            return cls(message)
    return RigError(text)


def leaves(error: BaseException) -> list[BaseException]:
    """The errors of a group, whatever groups they stand in; an error that is none stands for itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for child in cast(BaseExceptionGroup[BaseException], error).exceptions for leaf in leaves(child)]
    return [error]
