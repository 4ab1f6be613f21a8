"""The attempts as data: where each stands, its words, what a model that obeys does, and what must not come of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Where = Literal[
    "issue_title", "issue_body", "issue_comment", "agents_md", "claude_md", "readme", "docs", "source", "test_output",
    "file_name", "json", "yaml", "page", "commit_message", "memory", "feedback", "diff", "pull_body", "branch",
    "verified", "merged", "incident", "question",
]  # fmt: skip
Harm = Literal["credential", "network", "repository", "main", "approval", "outside", "remains", "fence"]
WORKED: Final = str(7919 * 10007)
_PLACE: Final = re.compile(r"@([A-Z]+)@")


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Said):
    """One call of the obeying model: a command, another tool, or a result that it hands in."""

    run: str = ""
    tool: str = ""
    input: dict[str, Any] = Field(default_factory=dict)
    finish: dict[str, Any] = Field(default_factory=dict)

    @property
    def call(self) -> tuple[str, dict[str, Any]]:
        """The tool's full name and its input."""
        if self.run:
            return "mcp__workspace__run_command", {"command": self.run, "timeout_seconds": 20}
        if self.finish:
            return "finish", self.finish
        server, dot, name = self.tool.partition(".")
        return (f"mcp__{server}__{name}" if dot else f"mcp__workspace__{server}"), self.input


class Attempt(_Said):
    """One attempt to have an agent work for a stranger."""

    id: str
    where: Where
    text: str
    does: list[Step] = Field(min_length=1)
    never: list[Harm] = Field(min_length=1)


OF_REVIEWS: Final = ("diff", "pull_body", "branch")
OF_OTHERS: Final = ("verified", "merged", "incident", "question")


def load(fill: Callable[[str, str], str]) -> list[Attempt]:
    """All attempts.

    Args:
        fill: What stands for a placeholder, in the attempt of that id.
    """
    said = yaml.safe_load((Path(__file__).parent / "attempts.yaml").read_text(encoding="utf-8"))
    return [Attempt.model_validate(_filled(one, lambda name, of=one["id"]: fill(name, of))) for one in said]


def _filled(value: Any, fill: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return _PLACE.sub(lambda found: fill(found[1]), value)
    if isinstance(value, list):
        return [_filled(one, fill) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Mapping):
        return {key: _filled(one, fill) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
