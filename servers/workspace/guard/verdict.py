"""What the guard answers, and what its rules raise."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Allow(NamedTuple):
    """Nothing speaks against it."""

    verdict: Literal["allow"] = "allow"
    reason: str = ""


class Deny(NamedTuple):
    """It is not done; the reason says what to do instead."""

    reason: str
    verdict: Literal["deny"] = "deny"


class Ask(NamedTuple):
    """A person has to say."""

    reason: str
    verdict: Literal["ask"] = "ask"


Verdict = Allow | Deny | Ask


class Blocked(Exception):
    """A rule forbids it."""


class Unclear(Exception):
    """It cannot be told what it does."""
