"""A backlog of queued issues, as if each had been approved long ago."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count

import msgspec

from bench.append import approved
from conductor.issues.evolve import fold
from conductor.store.records import ClaimRequest
from conductor.store.writer import Store
from servers.kit.database import Pool

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = 3  # issues of a repository, which may all be in work
EVENTS = """
    INSERT INTO events (position, stream, version, type, data, actor, occurred_at)
    SELECT last + n, format('issue-%s-%s', repository, number), 1, 'ISSUE_APPROVED',
           $3::jsonb || jsonb_build_object(
               'repository_id', repository, 'number', number, 'repository', 'acme/tally-' || repository), 'ada', now()
    FROM (SELECT n, $1 + n / 3 AS repository, $1 * 3 + n AS number FROM generate_series(0, $2::bigint - 1) AS n) AS m,
         (SELECT coalesce(max(position), 0) + 1 AS last FROM events) AS log
"""
ISSUES = """
    INSERT INTO issues (stream, version, repository_id, repository, number, title, status, priority, base, data)
    SELECT format('issue-%s-%s', repository, number), 1, repository, name, number, 'Add feature', 'queued', 2, 'main',
           $3::jsonb || jsonb_build_object('repository_id', repository, 'number', number, 'repository', name)
    FROM (SELECT $1 + n / 3 AS repository, $1 * 3 + n AS number FROM generate_series(0, $2::bigint - 1) AS n) AS made,
         LATERAL (SELECT 'acme/tally-' || repository AS name) AS named
"""
OFFERS = """
    INSERT INTO offers (stream, repository_id, repository, number, priority, kind, role)
    SELECT stream, repository_id, repository, number, priority, 'implement', 'dev' FROM issues
    WHERE repository_id >= $1
"""


INDEXES = """
    SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'issues'::regclass AND NOT i.indisunique
"""
MANY = 100_000


async def fill(pool: Pool, issues: int, first: int = 1) -> None:
    """Write `issues` queued issues of everyday size, three to a repository, the first of them numbered `first`."""
    event = approved(1, 1)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(EVENTS, first, issues, msgspec.json.encode(event).decode(), timeout=600)
        indexes = await connection.fetch(INDEXES) if issues >= MANY else []  # made faster afterwards
        for name, _ in indexes:
            await connection.execute(f"DROP INDEX {name}")
        await connection.execute(ISSUES, first, issues, msgspec.json.encode(fold([event])).decode(), timeout=600)
        for _, definition in indexes:
            await connection.execute(definition, timeout=600)
        await connection.execute(OFFERS, first, timeout=600)
    for table in ("events", "issues", "offers"):
        await pool.execute(f"ANALYZE {table}")


_claims = count(1)


def request() -> ClaimRequest:
    """A fresh process of one character that asks for work."""
    number = next(_claims)
    return ClaimRequest("dev-e", "dev", f"dev-e-{number}", "1", f"run-{number}")


Claim = Callable[[], Awaitable[str]]


def claiming(store: Store) -> Claim:
    """Claims the next issue; its stream."""

    async def claim() -> str:
        claimed = await store.claim(request())
        if claimed is None:
            raise RuntimeError("The backlog is empty.")
        return claimed.issue.stream

    return claim
