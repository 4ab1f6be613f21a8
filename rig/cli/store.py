"""`rig migrate`, `rig replay` and `rig retention`: work on the event store itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rig.cli.output import console, print_json, print_table
from servers.kit.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from servers.kit.database import Pool

T = TypeVar("T")


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command()(migrate)
    root.command()(replay)
    root.command()(retention)


def migrate(json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """Bring the database to this version's tables; several at once do no harm."""
    from conductor.app import MIGRATIONS
    from servers.kit.database import migrate as apply

    applied = with_pool(lambda pool: apply(pool, MIGRATIONS, name="conductor"))
    if json:
        print_json({"applied": applied})
    else:
        console().print(f"Applied {', '.join(applied)}." if applied else "The database is up to date.")


def replay(
    until: Annotated[str | None, typer.Option(help="Show the issues as they were then (ISO 8601)")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Write the projection anew from the log")] = False,
    deliveries: Annotated[
        bool, typer.Option("--deliveries", help="Have stored webhooks translated again; the rig works them off")
    ] = False,
    since: Annotated[str | None, typer.Option(help="Only webhooks that came since then (ISO 8601)")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Fold the log anew: check that the projection equals it, show the past, or rebuild the projection.

    With --deliveries nothing is folded, but stored webhooks point at GitHub again, which is then read afresh.
    """
    require_log()
    if sum((until is not None, rebuild, deliveries)) > 1 or (since is not None and not deliveries):
        raise InvalidInput("Give one of --until, --rebuild and --deliveries; --since goes with --deliveries.")
    if deliveries:
        _replay_deliveries(_moment(since) if since else None, json)
    elif until is not None:
        _show_past(_moment(until), json)
    elif rebuild:
        _rebuild(json)
    else:
        _compare(json)


def require_log() -> None:
    """Refuse where there is no database yet, so that no command makes an empty one by mistake.

    Raises:
        InvalidInput: No `rig up` was ever run here, and no database is named.
    """
    from rig.embedded.first_start import DataFolder
    from rig.embedded.settings import UpSettings

    settings = UpSettings.load()
    folder = DataFolder(settings.data_dir).postgres
    if not settings.database_url.get_secret_value() and not folder.exists():
        raise InvalidInput(
            f"There is no {folder}. Go where `rig up` keeps it, or set RIG_DATA_DIR or RIG_DATABASE_URL."
        )


def _show_past(moment: datetime, json: bool) -> None:
    from conductor.store.replay import as_of

    issues = with_pool(lambda pool: as_of(pool, moment))
    rows = [{"issue": i.key, "state": i.status, "attempt": i.attempt, "title": i.title} for i in issues]
    if json:
        print_json(rows)
    else:
        print_table(("issue", "state", "attempt", "title"), (row.values() for row in rows))


def _replay_deliveries(since: datetime | None, json: bool) -> None:
    from conductor.intake.translation import replay

    replayed = with_pool(lambda pool: replay(pool, since))
    if json:
        print_json({"replayed": replayed})
    else:
        console().print(f"{replayed} webhooks wait to be translated again.")


def retention(json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """Forget now what has served its time, as the rig does every day; the log of events is kept for ever."""
    from conductor.retention import forget
    from conductor.settings import ConductorSettings

    require_log()
    ages = ConductorSettings.load(database_url="postgresql:///unused").ages
    gone = with_pool(lambda pool: forget(pool, ages))
    if json:
        print_json(gone)
    else:
        print_table(("kind", "forgotten"), (row for row in gone.items()))


def _rebuild(json: bool) -> None:
    from conductor.store.replay import rebuild

    count = with_pool(rebuild)
    if json:
        print_json({"rebuilt": count})
    else:
        console().print(f"Wrote {count} issues anew from the log.")


def _compare(json: bool) -> None:
    from conductor.store.replay import differences

    async def found(pool: Pool) -> list[str]:
        return [difference async for difference in differences(pool)]

    differing = with_pool(found)
    if json:
        print_json({"differences": differing})
    elif not differing:
        console().print("The projection equals the log.")
    if differing:
        raise Conflict("\n".join([*differing, "`rig replay --rebuild` writes the projection anew."]))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not a time; write it as 2026-11-20T10:15:00Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def with_pool(work: Callable[[Pool], Awaitable[T]]) -> T:
    """Do `work` on the configured database; the embedded one is started if no `rig up` runs it."""
    import asyncio

    from servers.kit import logs
    from servers.kit.database import open_pool

    logs.configure("WARNING")

    async def run() -> T:
        async with _database() as url, open_pool(url, size=2) as pool:
            return await work(pool)

    return asyncio.run(run())


@asynccontextmanager
async def _database() -> AsyncGenerator[str]:
    """The configured database; the embedded one is started if no `rig up` runs it."""
    from rig.embedded.cluster import Cluster
    from rig.embedded.first_start import DataFolder
    from rig.embedded.postgres import DATABASE, ROLE, EmbeddedPostgres
    from rig.embedded.settings import UpSettings

    settings = UpSettings.load()
    if given := settings.database_url.get_secret_value():
        yield given
        return
    folder = DataFolder(settings.data_dir)
    folder.make()
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.locked())
        except Conflict:
            yield Cluster.at(folder.postgres).url(ROLE, DATABASE)
            return
        async with EmbeddedPostgres(folder.postgres) as postgres:
            yield postgres.url
