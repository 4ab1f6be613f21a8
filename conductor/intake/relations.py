"""Reads what an issue waits for on GitHub, and what that waits for, as far as a circle may be among it."""

from __future__ import annotations

from pathlib import Path

from conductor.github import GitHub, SeenIssue, SeenOther
from conductor.issues import commands as c
from conductor.issues.dependencies import circle, depends_on, distinct, parts
from conductor.issues.issue import READY_LABEL
from conductor.store.writer import Store, connection_of
from servers.kit.database import load_queries
from servers.kit.errors import Forbidden, NotFound

SQL = load_queries(Path(__file__).with_name("sight.sql"))
LOOKS = 15


class Relations:
    """What one issue waits for.

    A dependency is over once GitHub shows it closed (an issue or a pull request) or the rig has done it. One that
    GitHub does not show to the rig holds the issue as well, for a misspelt number must not start work too early:
    the block names it, and whoever corrects the text sets the work free.
    """

    def __init__(self, store: Store, github: GitHub, seen: SeenIssue) -> None:
        self._store = store
        self._github = github
        self._seen = seen
        self._left = LOOKS
        self._edges: dict[str, list[str]] = {}
        self.dependencies: list[c.Other] = []
        self.sub_issues: list[c.Other] = []
        self.circle: list[str] = []

    async def read(self) -> Relations:
        """Fill everything in."""
        related = self._seen.relations
        start = f"{self._seen.repository}#{self._seen.number}"
        if related is None:
            return self
        self.sub_issues = [_other(one) for one in related.sub_issues]
        shown = {one.key.lower(): one for one in map(_other, related.blocked_by)}
        named = depends_on(self._seen.body or "", self._seen.repository)
        keys = distinct([*(one.key for one in shown.values()), *named])
        found = [shown.get(key.lower()) or await self._read(key) for key in keys]
        done = await self._done([one.key for one in found])
        self.dependencies = [c.Other(one.key, "closed") if one.key.lower() in done else one for one in found]
        self._edges[start.lower()] = _open([*self.dependencies, *self.sub_issues])
        self.circle = await self._circle(start)
        return self

    async def _read(self, key: str) -> c.Other:
        repository, number = parts(key)
        try:
            seen = await self._github.get_issue(repository, number, None, relations=True)
        except Forbidden:
            return c.Other(key, "unknown")
        except NotFound:
            return await self._read_pull(key)
        written = f"{seen.repository}#{seen.number}"
        self._edges[written.lower()] = _waits_for(seen)
        return c.Other(written, "open" if seen.state == "open" else "closed", READY_LABEL in seen.labels)

    async def _read_pull(self, key: str) -> c.Other:
        """Some depend on a pull request, which is over once it is merged or closed."""
        try:
            pull = await self._github.snapshot(*parts(key))
        except (NotFound, Forbidden):
            return c.Other(key, "unknown")
        return c.Other(f"{pull.repository}#{pull.number}", "open" if pull.state == "open" else "closed")

    async def _done(self, keys: list[str]) -> set[str]:
        if not keys:
            return set()
        names = [parts(key) for key in keys]
        async with connection_of(self._store.pool) as connection:
            rows = await connection.fetch(SQL["done_among"], [n.lower() for n, _ in names], [n for _, n in names])
        return {row["key"] for row in rows}

    async def _circle(self, start: str) -> list[str]:
        """Follow what waits for what, for a bounded number of looks; what lies beyond is taken to lead nowhere."""
        waiting, seen = list(self._edges[start.lower()]), {start.lower()}
        for key in waiting:  # grows while it is walked
            if key.lower() in seen:
                continue
            seen.add(key.lower())
            if key.lower() not in self._edges and self._left > 0:
                self._left -= 1
                await self._read(key)
            waiting += self._edges.get(key.lower(), [])
        return circle(start, self._edges)


def _other(one: SeenOther) -> c.Other:
    state = "open" if one.state == "open" else "closed"
    return c.Other(f"{one.repository}#{one.number}", state, READY_LABEL in one.labels)


def _open(others: list[c.Other]) -> list[str]:
    return [one.key for one in others if one.state == "open"]


def _waits_for(seen: SeenIssue) -> list[str]:
    if seen.state != "open" or seen.relations is None:
        return []
    named = depends_on(seen.body or "", seen.repository)
    shown = {one.key.lower(): one for one in map(_other, seen.relations.blocked_by)}
    unsaid = [key for key in named if key.lower() not in shown]
    return [*_open(list(shown.values())), *unsaid, *_open([_other(one) for one in seen.relations.sub_issues])]
