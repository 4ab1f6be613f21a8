"""What a model hands in at the end of work that is no issue's, checked before anything is done with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\r\n]+$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8_000)]
Step = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class _Finding(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Done(_Finding):
    """Hand in what you did."""

    summary: Words = Field(description="What you looked at and what came of it, for the people who asked")


class Answer(_Finding):
    """Hand in the answer."""

    answer: Words = Field(description="The answer, as Markdown, in the language of the question")


class Triage(_Finding):
    """Hand in the report on the incident."""

    title: Line = Field(description="What is broken for whom, in words a person would search for")
    severity: Literal["critical", "high", "normal"]
    summary: Words = Field(description="What happens, since when, how often, where in the code, how sure you are")
    suspected_cause: str = Field(default="", max_length=4_000, description="Empty where the code does not show one")
    next_steps: list[Step] = Field(
        min_length=1, max_length=8, description="For a person, the cheapest and safest first"
    )
    known_as: int | None = Field(default=None, ge=1, description="Number of the open issue that this is already")


class Score(_Finding):
    """How good one side of the work is."""

    score: int = Field(ge=1, le=5)
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]


class Judgement(_Finding):
    """Hand in the scores."""

    correctness: Score
    security: Score
    tests: Score
    docs: Score
    commits: Score
    summary: Words = Field(description="What one should learn from this piece of work, in two or three sentences")


class Verification(_Finding):
    """Hand in what you saw of the deployment."""

    passed: bool = Field(description="Whether you saw it work; if you saw neither that nor the contrary, give up")
    evidence: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=6_000)] = Field(
        description="What you saw: run, check, time, number, line"
    )


class Proposal(_Finding):
    """Something that would make the system better."""

    title: Line
    problem: Words = Field(description="What hurts, with its evidence: files with lines, issues, numbers")
    proposal: Words = Field(description="The smallest step that helps, and how one would see that it did")
    cost: Words = Field(description="What it costs and risks")
    against: Words = Field(description="The best argument against it")


class Proposals(_Finding):
    """Hand in the proposals, the best first; none is a fine result."""

    proposals: list[Proposal] = Field(max_length=3)
    summary: Words = Field(description="What you looked at")
