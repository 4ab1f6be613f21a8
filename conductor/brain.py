"""The compiled state that every run starts from: what is in work, what waits for people, what was done lately."""

from __future__ import annotations

from pathlib import Path

from conductor import views
from conductor.around import Rules, pauses
from conductor.store.writer import connection_of
from servers.kit.database import Pool, load_queries

SQL = load_queries(Path(__file__).with_name("brain.sql"))
MOST = 40
DAYS = 30
LONGEST = 12_000


async def compile_brain(pool: Pool, rules: Rules, repository: str | None = None) -> str:
    """The state as Markdown, of one repository or all, at most 12,000 characters; what is left out is said.

    Titles are other people's words: whoever shows this to a model fences it.
    """
    issues = [one for one in await views.list_issues(pool, rules, repository, limit=500) if one.state not in ENDED]
    async with connection_of(pool) as connection:
        paused = await pauses(connection)
        merged = await connection.fetch(SQL["merged"], repository, MOST)
    parts = [
        _section("Paused", [f"{p['scope']} by {p['by']}: {p['reason'] or 'no reason given'}" for p in paused]),
        _section("Waits for a person", [_line(one) for one in issues if one.state in FOR_PEOPLE]),
        _section("In work", [_line(one) for one in issues if one.state not in FOR_PEOPLE]),
        _section("Merged lately", [f"{m['repository']}#{m['number']} {_short(m['title'])}" for m in merged]),
        _section("Scores of merged work, 1 to 5", [_scores(one) for one in await views.get_quality(pool, DAYS)]),
    ]
    text = "\n\n".join(filter(None, parts)) or "The rig has no work and knows of none."
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n[The rest is left out; list_issues has it.]"


ENDED = frozenset({"done", "cancelled"})
FOR_PEOPLE = frozenset({"escalated", "awaiting_human"})


def _section(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    more = [f"- and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return "\n".join([f"## {title}", *(f"- {line}" for line in lines[:MOST]), *more])


def _line(issue: views.IssueView) -> str:
    why = " ".join(issue.waits_for)
    return f"{issue.issue} {_short(issue.title)} ({issue.state.replace('_', ' ')}). {_short(why, 300)}".strip()


def _scores(view: views.QualityView) -> str:
    scores = ", ".join(f"{name} {score:.1f}" for name, score in view.scores.items())
    return f"{view.agent}: {scores} ({view.judged} judged)"


def _short(text: str, limit: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
