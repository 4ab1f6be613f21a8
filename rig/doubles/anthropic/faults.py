"""Faults a test or the demo can order for the next calls."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from rig.doubles.anthropic.errors import ApiError, InvalidRequest, Overloaded, RateLimited, Unauthenticated
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import ToolUse, Turn

Kind = Literal[
    "rate_limited",
    "usage_limit",
    "no_credit",
    "refusal",
    "server_error",
    "overloaded",
    "overloaded_midway",
    "unauthorized",
    "cut",
    "broken_json",
    "wrong_input",
    "endless_tools",
    "silent",
    "slow",
]


class Fault(BaseModel):
    """One order: what goes wrong, how often, and for which requests."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    times: Annotated[int | None, Field(ge=1, description="How many calls; null is every call until cleared.")] = 1
    skip: Annotated[int, Field(ge=0, description="How many matching calls pass unharmed first.")] = 0
    matching: Annotated[str, Field(description="Only requests whose body contains this text.")] = ""
    retry_after: Annotated[float, Field(ge=0, description="Seconds in the 429's retry-after header.")] = 0
    seconds: Annotated[float, Field(ge=0, description="How long the answer takes.")] = 0


class Faults:
    """The orders in force; the first that matches a call is used up by it."""

    def __init__(self) -> None:
        self.orders: list[Fault] = []

    def take(self, body: str) -> Fault | None:
        for order in self.orders:
            if order.matching not in body:
                continue
            if order.skip:
                order.skip -= 1
                continue
            self._count(order)
            return order
        return None

    def _count(self, order: Fault) -> None:
        if order.times is None:
            return
        order.times -= 1
        if order.times == 0:
            self.orders.remove(order)


def refusal(fault: Fault) -> ApiError | None:
    match fault.kind:
        case "rate_limited":
            headers = {"retry-after": f"{fault.retry_after:g}"}
            return RateLimited("This request would exceed your organization's rate limit.", headers)
        case "usage_limit":
            ends = int(time.time() + fault.retry_after)
            headers = {
                "retry-after": f"{fault.retry_after:g}",
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": str(ends),
                "anthropic-ratelimit-unified-representative-claim": "five_hour",
            }
            return RateLimited(
                "This request would exceed your account's rate limit. Please try again later.", headers
            )
        case "no_credit":
            return InvalidRequest("Your credit balance is too low to access the Anthropic API.")
        case "server_error":
            return ApiError("Internal server error")
        case "overloaded":
            return Overloaded("Overloaded")
        case "unauthorized":
            return Unauthenticated("invalid x-api-key")
        case _:
            return None


def instead(fault: Fault | None, request: MessagesRequest) -> Turn | None:
    """The turn a confused model gives in place of the script's."""
    if fault is None:
        return None
    match fault.kind:
        case "broken_json":
            return Turn("Let me change that.", (ToolUse(any_tool(request), {}, fault=True),))
        case "wrong_input":
            return Turn("Let me look.", (ToolUse(any_tool(request), {"unknown_argument": [1]}, fault=True),))
        case "endless_tools":
            return Turn("Let me look once more.", (ToolUse(harmless_tool(request), {}, fault=True),))
        case "silent":
            return Turn("I think this is all.")
        case "refusal":
            return Turn("", refused=True)
        case _:
            return None


def any_tool(request: MessagesRequest) -> str:
    return preferred(request, "read_file", "get_diff")


def harmless_tool(request: MessagesRequest) -> str:
    return preferred(request, "list_files", "list_issues", "get_diff")


def preferred(request: MessagesRequest, *endings: str) -> str:
    for ending in endings:
        for name in request.tool_names:
            if name.endswith(ending):
                return name
    return request.tool_names[0] if request.tool_names else "nothing"
