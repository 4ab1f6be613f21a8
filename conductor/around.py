"""What keeps issues waiting beside themselves: the train, pauses, full repositories, work that nobody can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conductor.comments import pause_words
from conductor.dispatch.demand import Wanted, takers
from conductor.issues.issue import Issue, Offer, offer
from conductor.issues.limits import Limits
from conductor.issues.words import waits_for
from conductor.merge.places import places_of
from conductor.merge.train import Place
from conductor.store.writer import connection_of
from servers.kit.character import Character
from servers.kit.database import Connection, Pool, load_queries

SQL = load_queries(Path(__file__).with_name("around.sql"))


@dataclass(frozen=True)
class Rules:
    """By what work is handed out.

    Attributes:
        catalogue: The characters that exist, by name; where none is known, there may be any.
        open_issues: How many issues of a repository may be in work at once.
    """

    catalogue: Mapping[str, Character] = field(default_factory=dict[str, Character])
    open_issues: int = Limits().open_issues


@dataclass(frozen=True)
class Around:
    """Read once for all issues that are shown together."""

    rules: Rules
    places: Mapping[str, Place]
    pauses: Sequence[Any]
    in_work: Mapping[int, int]

    def waits_for(self, issue: Issue) -> list[str]:
        """Why the issue does not go on, in the sentences that every place says."""
        work, said = offer(issue), waits_for(issue, self.places.get(issue.stream))
        said += self._paused(issue, work is not None)
        return said if work is None else [*said, *self._crowded(issue, work), *self._nobody(work)]

    def _paused(self, issue: Issue, offered: bool) -> Iterator[str]:
        """What is paused of that which the issue needs; while it is offered, any agent may be who would take it."""
        if issue.status in ("done", "cancelled"):
            return
        holder = issue.holder.agent.lower() if issue.holder else ""
        needed = ("rig", "budget", issue.repository.lower(), f"agent:{holder}", f"budget:{holder}")
        for row in self.pauses:
            anybody = offered and row["scope"].partition(":")[0] in ("agent", "budget", "provider")
            if row["scope"] in needed or anybody:
                yield pause_words(row["scope"], row["by"], row["reason"], row["until"])

    def _crowded(self, issue: Issue, work: Offer) -> Iterator[str]:
        busy = self.in_work.get(issue.repository_id, 0)
        if work.kind == "implement" and busy >= self.rules.open_issues:
            yield f"{issue.repository} has {busy} issues in work, its limit."

    def _nobody(self, work: Offer) -> Iterator[str]:
        """No pause and no strike: there is no character that could ever do it."""
        characters = self.rules.catalogue
        wanted = Wanted(work.kind, work.stack, frozenset(work.excluded), work.only)
        if not characters or takers(wanted, characters):
            return
        if work.only and work.only not in characters:
            yield f"There is no character {work.only}; there are {_listed(characters)}."
        elif work.stack and (able := takers(Wanted(work.kind, "", wanted.excluded), characters)):
            known = {stack for name in able for stack in characters[name].stacks}
            yield f"No character knows the stack {work.stack}; there are {_listed(known)}."
        else:
            yield f"No character can do it: none but its authors has {work.kind} among its work."


def _listed(names: Mapping[str, Any] | set[str]) -> str:
    return ", ".join(sorted(names))


async def pauses(connection: Connection) -> Sequence[Any]:
    """Everything that is paused, the oldest first: scope, by whom, why and until when."""
    return await connection.fetch(SQL["pauses"])


async def around(pool: Pool, issues: Sequence[Issue], rules: Rules) -> Around:
    """What is around `issues` right now."""
    places = await places_of(pool, [issue.stream for issue in issues if issue.status == "merging"])
    async with connection_of(pool) as connection:
        paused = await pauses(connection)
        busy = await connection.fetch(SQL["in_work"], list({issue.repository_id for issue in issues}))
    return Around(rules, places, paused, {row["repository_id"]: row["count"] for row in busy})
