"""What a model must hand in to finish, checked before anything is done with it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from agents.providers import ToolSpec

FINISH = "finish"
GIVE_UP = "give_up"
SUBJECT = r"^(build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test)(\([\w./-]+\))?!?: [^\n\r]+$"
CLOSING = re.compile(
    r"(?i)\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(:?\s+)((?:[\w.-]+/[\w.-]+)?#|https?://\S+/issues/)(?=\d)"
)

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]

Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Remembering(_Result):
    """A result that says which memories were of use."""

    helped_by: list[int] = Field(
        default_factory=list[int], max_length=20, description="Ids of memories that helped you; none where none did"
    )
    misled_by: list[int] = Field(
        default_factory=list[int], max_length=20, description="Ids of memories that were wrong or outdated"
    )


class DevResult(Remembering):
    """Hand in the work when it is complete and its tests pass."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=SUBJECT)] = Field(
        description="Subject of the commit and the pull request, as in Conventional Commits: `fix: …`"
    )
    summary: Words = Field(description="What changed and why, for the people who read the pull request")


class Comment(_Result):
    """A remark on one line of the new version of a file."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    line: int = Field(ge=1, description="Number of a line that the diff shows, in the new version of the file")
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]


class ReviewResult(Remembering):
    """Hand in the review."""

    verdict: Literal["approve", "request_changes"] = Field(description="Whether the change may be merged as it is")
    summary: Words = Field(description="The judgement and its reasons")
    comments: list[Comment] = Field(default_factory=list[Comment], max_length=50, description="On single lines")


class ReadinessResult(_Result):
    """Say whether the issue can be implemented as it stands."""

    ready: bool = Field(description="Whether a developer could start now and know when the work is done")
    questions: list[Question] = Field(
        default_factory=list[str],
        max_length=10,
        description="What its author has to answer first; none if it is ready",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.ready == bool(self.questions):
            raise ValueError("An issue that is ready has no questions, and one that is not has at least one.")
        return self


class GiveUp(_Result):
    """Say that you cannot reach a good result, instead of handing in a bad one."""

    reason: Words = Field(description="What stands in the way, and what a person would have to decide or provide")
    error_class: str = Field(default="gave_up", max_length=60, description="Kind of obstacle, such as unclear_issue")


Result = TypeVar("Result", bound=BaseModel)


def spec(name: str, model: type[BaseModel]) -> ToolSpec:
    """A local tool whose input is `model`."""
    schema = model.model_json_schema()
    return ToolSpec(name, str(schema.pop("description", "")), schema)


def problems(error: ValidationError) -> str:
    """What is wrong with an input, one problem a line."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "\n".join(f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}" for one in found)


def harmless(text: str) -> str:
    """`text` without words by which GitHub would close an issue: only the supervisor says what is closed."""
    return CLOSING.sub(r"\1\2issue \3", text)


def arguments(value: Any) -> str:
    """A tool's input in one short line, for logs and evidence."""
    line = " ".join(str(value).split())
    return line if len(line) <= 200 else f"{line[:200]}…"
