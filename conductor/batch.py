"""What the writer's transaction writes: appends placed at the ends of their streams, and the rows that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conductor.events import RigPaused, RigResumed
from conductor.records import Answer, Append, Appended, claim_row, effect_rows, event_rows, issue_row
from servers.kit.database import Connection, load_queries
from servers.kit.errors import Conflict

SQL = load_queries(Path(__file__).with_name("store.sql"))
Request = tuple[str, str, str]


@dataclass
class Batch:
    """One transaction's worth.

    Attributes:
        last: The log's position before the batch.
        versions: Where each stream ends.
        answered: Requests that were answered before: their appends must not happen again.
    """

    last: int
    versions: dict[str, int]
    answered: set[Request]
    lease_seconds: float
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    issues: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    claims: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    effects: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answers: list[Answer] = field(default_factory=list[Answer])
    pauses: dict[str, RigPaused | RigResumed] = field(default_factory=dict[str, RigPaused | RigResumed])

    @classmethod
    async def begin(cls, connection: Connection, appends: Sequence[Append], lease_seconds: float) -> Batch:
        """Take the writer's lock and read where the streams end."""
        await connection.execute(SQL["lock"])
        rows = await connection.fetch(SQL["heads"], [*dict.fromkeys(append.stream for append in appends), ""])
        versions = {row["stream"]: row["version"] or 0 for row in rows}
        answered = await _answered(connection, [append.answer for append in appends if append.answer])
        return cls(rows[0]["last"] or 0, versions, answered, lease_seconds)

    def add(self, append: Append) -> Appended:
        """Place an append at the end of its stream.

        Raises:
            Conflict: The stream is not at the version the append expects, or the request was answered before.
        """
        version = self.versions.get(append.stream, 0)
        if append.expected not in (None, version):
            raise Conflict(f"{append.stream} is at version {version}, not {append.expected}. Read it again.")
        if append.answer:
            self._answer(append.answer)
        self.events += event_rows(append, version)
        self.pauses |= {e.scope.lower(): e for e in append.events if isinstance(e, RigPaused | RigResumed)}
        end = version + len(append.events)
        if append.after is not None:
            self.issues[append.stream] = issue_row(append.after, end)
            self.effects += effect_rows(append, version)
            if row := claim_row(append, self.lease_seconds):
                self.claims[append.stream] = row
        self.versions[append.stream] = end
        return Appended(end, self.last + len(self.events))

    def _answer(self, answer: Answer) -> None:
        if _request(answer) in self.answered:
            raise Conflict(f"The request {answer.request_id} was answered before.")
        self.answered.add(_request(answer))
        self.answers.append(answer)

    async def write(self, connection: Connection) -> None:
        """Write everything."""
        if self.events:
            await connection.execute(SQL["write_events"], self.last, self.events)
        writes: dict[str, list[Any]] = {
            "write_issues": list(self.issues.values()),
            "end_claims": list(self.claims),
            "open_claims": [row for row in self.claims.values() if row["agent"]],
            "write_effects": self.effects,
            "write_answers": self.answers,
            "write_pauses": [
                {"scope": scope, "by": e.by, "reason": e.reason}
                for scope, e in self.pauses.items()
                if isinstance(e, RigPaused)
            ],
            "end_pauses": [scope for scope, e in self.pauses.items() if isinstance(e, RigResumed)],
        }
        for query, rows in writes.items():
            if rows:
                await connection.execute(SQL[query], rows)


async def _answered(connection: Connection, answers: list[Answer]) -> set[Request]:
    if not answers:
        return set()
    callers, tools, requests = zip(*map(_request, answers), strict=True)
    rows = await connection.fetch(SQL["answered"], callers, tools, requests)
    return {(row["caller"], row["tool"], row["request_id"]) for row in rows}


def _request(answer: Answer) -> Request:
    return answer.caller, answer.tool, answer.request_id
