"""The demo's events in words, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from rig.demo.follow import Event

Data = dict[str, Any]
Mood = Literal["good", "bad", "asking", "working"]


def _first_line(text: str, longest: int = 90) -> str:
    line = text.strip().splitlines()[0] if text.strip() else ""
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _short(sha: str) -> str:
    return sha[:7]


def _assigned(data: Data) -> str:
    match data["kind"]:
        case "rework":
            return f"{data['agent']} takes it again to repair it, on {data['branch']}"
        case "review":
            return f"{data['agent']} takes the review"
        case _:
            return f"{data['agent']} claims it (attempt {data['attempt']}, fence {data['fence']})"


WORDS: dict[str, Callable[[Data], str]] = {
    "ISSUE_APPROVED": lambda d: f"{d['approved_by']} labelled it; the webhook made it work: “{d['title']}”",
    "ISSUE_ASSIGNED": _assigned,
    "WORK_STARTED": lambda d: f"{d['agent']} prepares a clone and reads",
    "BRANCH_CREATED": lambda d: f"branch {d['branch']}",
    "PR_CREATED": lambda d: f"pull request #{d['number']} at {_short(d['head'])}",
    "PR_UPDATED": lambda d: f"pushed {_short(d['head'])} to pull request #{d['number']}",
    "CI_FAILED": lambda d: f"CI is red at {_short(d['head'])}: {', '.join(d.get('checks', []))}",
    "CI_PASSED": lambda d: f"CI is green at {_short(d['head'])}: {', '.join(d.get('checks', []))}",
    "MERGE_CONFLICT": lambda d: f"{_short(d['head'])} conflicts with {d['base']}",
    "REVIEW_ASSIGNED": lambda d: f"{d['agent']} reviews {_short(d['head'])}, round {d['round']}",
    "REVIEW_DISPUTED": lambda d: f"{d['agent']} asks for a change: {_first_line(d.get('summary', ''))}",
    "REVIEW_PASSED": lambda d: f"{d['agent']} approves {_short(d['head'])}: {_first_line(d.get('summary', ''))}",
    "MERGE_GATE_WAITING": lambda d: f"the gate waits: {'; '.join(d.get('reasons', []))}",
    "MERGE_GATE_PASSED": lambda d: f"the gate passes at {_short(d['head'])}",
    "MERGED": lambda d: f"squash-merged as {_short(d['sha'])}",
    "ISSUE_DONE": lambda _: "done",
    "AGENT_STUCK": lambda d: f"{d['agent']} is stuck: {_first_line(d['reason'])}",
    "LEASE_EXPIRED": lambda d: f"{d['agent']} was silent for too long; the claim lapsed",
    "ESCALATED": lambda d: f"a person is asked: {_first_line(d['cause'])}",
    "GUARD_BLOCKED": lambda d: f"the guard stopped {d['agent']}: {_first_line(d['reason'])}",
}
GOOD = {"CI_PASSED", "REVIEW_PASSED", "MERGE_GATE_PASSED", "MERGED", "ISSUE_DONE"}
BAD = {"CI_FAILED", "MERGE_CONFLICT", "AGENT_STUCK", "LEASE_EXPIRED", "ESCALATED", "GUARD_BLOCKED"}
ASKING = {"REVIEW_DISPUTED", "MERGE_GATE_WAITING"}


def mood(kind: str) -> Mood:
    """How an event of this type is to be taken."""
    if kind in GOOD:
        return "good"
    if kind in BAD:
        return "bad"
    return "asking" if kind in ASKING else "working"


def in_words(event: Event) -> str | None:
    """What happened, or None for what is too small to tell."""
    tell = WORDS.get(event["type"])
    return tell(event["data"]) if tell else None


@dataclass
class Tally:
    """What the events add up to.

    Attributes:
        done: Issues that are merged and closed.
        lost: Issues that will not be, with why.
        working: The claim that each issue is under, as (agent, fence).
        overlaps: Times an issue was given out while somebody had it: there must be none.
    """

    events: int = 0
    done: set[str] = field(default_factory=set[str])
    lost: dict[str, str] = field(default_factory=dict[str, str])
    merges: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    working: dict[str, int] = field(default_factory=dict[str, int])
    overlaps: list[str] = field(default_factory=list[str])
    tokens: Counter[str] = field(default_factory=Counter[str])
    usd: float = 0.0
    calls: int = 0

    def add(self, event: Event) -> None:
        """Take one more event into account."""
        self.events += 1
        kind, data, issue = event["type"], event["data"], event.get("issue") or ""
        match kind:
            case "ISSUE_ASSIGNED" | "REVIEW_ASSIGNED":
                self._claimed(issue, data["fence"])
            case "ISSUE_UNASSIGNED" | "LEASE_EXPIRED" | "AGENT_STUCK" | "REVIEW_PASSED" | "REVIEW_DISPUTED":
                self.working.pop(issue, None)
            case "MERGED":
                self.merges.setdefault(issue, []).append(data["sha"])
            case "ISSUE_DONE":
                self.done.add(issue)
            case "ISSUE_CANCELLED" | "ESCALATED":
                self.lost[issue] = in_words(event) or kind
            case "TOKEN_USAGE":
                self._used(data)
            case _:
                pass

    def _claimed(self, issue: str, fence: int) -> None:
        held = self.working.get(issue)
        if held is not None and held != fence:
            self.overlaps.append(f"{issue} was given out under fence {fence} while fence {held} held it")
        self.working[issue] = fence

    def _used(self, data: Data) -> None:
        self.calls += 1
        self.usd += data.get("usd", 0.0)
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
            self.tokens[name] += data.get(name, 0)
