"""The conductor's wiring, in one place: start reading here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from conductor import resources, rest, vitals
from conductor.desk import Desk
from conductor.dispatch.announce import Announcer
from conductor.dispatch.claims import Dispatch
from conductor.dispatch.pauses import Pauses
from conductor.dispatch.purse import Purse
from conductor.dispatch.schedules import Schedules
from conductor.dispatch.watch import Watch, reviewers
from conductor.effects.runner import Effects
from conductor.github import GitHub, GitHubServer
from conductor.intake import incidents
from conductor.intake.door import Front, Intake
from conductor.intake.incidents import Incidents
from conductor.intake.postbox import Postbox
from conductor.intake.reconcile import Reconciler
from conductor.intake.sight import Sights
from conductor.intake.sight_issue import Readiness
from conductor.intake.translation import Translation
from conductor.memories import DocumentServer, Lint, MemoryServer, Names
from conductor.merge.gate import Policy
from conductor.retention import Retention
from conductor.server import tools
from conductor.settings import ConductorSettings
from conductor.store.leader import led
from conductor.store.replay import keep_current
from conductor.store.writer import Store, connection_of
from conductor.vitals import Vitals
from servers.kit.auth import SigningKey
from servers.kit.character import Character, Kind, load_all
from servers.kit.client import ToolClient, tool_client
from servers.kit.database import Pool, migrate, open_pool
from servers.kit.errors import InvalidInput, Unavailable
from servers.kit.serve import Part
from servers.kit.wake import PostgresWake
from servers.kit.wake_valkey import ValkeyWake, open_valkey

MIGRATIONS = Path(__file__).with_name("migrations")


def part(settings: ConductorSettings, service_token: Callable[[], str], alone: bool = False) -> Part:
    """The conductor, ready to be mounted.

    Args:
        service_token: Gives the token with which the conductor calls the github server.
        alone: No other process works on the database, so what one before left half done is taken up at once.
    """

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Desk]:
        connect = tool_client(settings.github_server_url, service_token, attempts=3)
        async with (
            connect as client,
            open_desk(settings, GitHubServer(client), alone) as desk,
            _remembering(settings, client, desk.pool, service_token),
        ):
            yield desk

    return part_of(opened)


def part_of(opened: Callable[[], AbstractAsyncContextManager[Desk]]) -> Part:
    """The conductor over whatever desk is opened."""
    doors = [*incidents.routes(), *rest.routes(), *vitals.routes()]
    return Part(tools, opened, doors, ready, resources.extend, Front)


async def ready(desk: Desk) -> str | None:
    """None once the database answers."""
    try:
        async with connection_of(desk.pool) as connection:
            await connection.fetchval("SELECT 1")
    except Unavailable as error:
        return str(error)
    return None


@asynccontextmanager
async def open_desk(settings: ConductorSettings, github: GitHub, alone: bool = False) -> AsyncGenerator[Desk]:
    """Open everything the conductor works with, and do its background work until the end of the block."""
    url = settings.database_url.get_secret_value()
    async with open_pool(url, size=settings.pool_size) as pool, _carrier(settings, pool) as (wake, valkey):
        await migrate(pool, MIGRATIONS, name="conductor")
        await keep_current(pool)
        desk = _wire(settings, pool, wake, github, valkey)
        if alone:
            await desk.effects.release()
            await desk.translation.release()
        loops = (
            desk.store.run(),
            wake.listen(url),
            desk.dispatch.run(),
            desk.watch.run(),
            desk.pauses.run(),
            Schedules(desk.store, desk.catalogue).run(),
            desk.postbox.run(),
            desk.translation.run(),
            desk.effects.run(),
            led(url, "reconciler", desk.reconciler.run),
            led(url, "retention", Retention(desk.store, settings.ages).run),
            *([desk.vitals.announcer.run()] if desk.vitals.announcer else []),
        )
        async with _together(loops):
            yield desk


@asynccontextmanager
async def _remembering(
    settings: ConductorSettings, github: ToolClient, pool: Pool, token: Callable[[], str]
) -> AsyncGenerator[None]:
    """Look after what is remembered, beside the block, where there is a memory server."""
    if not settings.memory_server_url:
        yield
        return
    async with tool_client(settings.memory_server_url, token, attempts=3) as client:
        memory = MemoryServer(client)
        lint = Lint(memory, DocumentServer(github), settings.repositories)
        looking = led(settings.database_url.get_secret_value(), "memory lint", lint.run)
        async with _together((looking, Names(pool, memory).run())):
            yield


@asynccontextmanager
async def _carrier(settings: ConductorSettings, pool: Pool) -> AsyncGenerator[tuple[PostgresWake, Redis | None]]:
    """What carries wake-ups, and the Valkey to announce work in where one is set."""
    origin, url = uuid4().hex, settings.valkey_url.get_secret_value()
    if not url:
        yield PostgresWake(pool.execute, origin), None
        return
    async with open_valkey(url) as quick, open_valkey(url, seconds=5) as patient:
        yield ValkeyWake(quick, pool.execute, origin), patient


def _wire(settings: ConductorSettings, pool: Pool, wake: PostgresWake, github: GitHub, valkey: Redis | None) -> Desk:
    store = Store(pool, wake, lease_seconds=settings.lease_seconds, limits=settings.limits)
    catalogue = load_all(settings.characters)
    policy = Policy()
    judge = _does("RIG_READINESS_JUDGE", settings.readiness_judge, "verify", catalogue)
    readiness = Readiness(settings.readiness, judge)
    sights = Sights(store, github, policy, settings.repositories, settings.label_apps, readiness)
    secrets = [settings.webhook_secret.get_secret_value(), settings.webhook_secret_old.get_secret_value()]
    postbox = Postbox(store)
    key = SigningKey.load_or_create(settings.signing_key) if settings.signing_key.exists() else None
    pauses = Pauses(store)
    dispatch = Dispatch(
        store,
        catalogue,
        settings.lease_seconds,
        settings.first_heartbeat_seconds,
        settings.lease_grace_seconds,
        settings.park_seconds,
    )
    return Desk(
        pool=pool,
        wake=wake,
        store=store,
        dispatch=dispatch,
        postbox=postbox,
        intake=Intake(postbox, secrets),
        translation=Translation(store, sights),
        effects=Effects(
            store,
            github,
            policy,
            settings.merge_train,
            dispatch.chores,
            _does("RIG_RUBRIC_JUDGE", settings.rubric_judge, "judge", catalogue),
        ),
        incidents=Incidents(
            dispatch.chores,
            settings.incident_secret.get_secret_value(),
            settings.repositories,
            settings.incident_repository,
            settings.incident_quiet_hours,
        ),
        reconciler=Reconciler(sights, settings.reconcile_seconds),
        purse=Purse(store, catalogue, pauses),
        pauses=pauses,
        watch=Watch(store, reviewers(catalogue), settings.watch_seconds),
        catalogue=catalogue,
        key=key,
        token_lifetime=timedelta(hours=settings.token_hours),
        vitals=Vitals(
            pool,
            github.ping,
            Announcer(store, valkey, catalogue) if valkey else None,
            settings.repositories,
            settings.reconcile_seconds,
            settings.lease_grace_seconds,
        ),
    )


def _does(setting: str, name: str, kind: Kind, catalogue: Mapping[str, Character]) -> str:
    if name and (name not in catalogue or kind not in catalogue[name].work):
        raise InvalidInput(f"{setting}: no character {name} does the kind of work {kind}.")
    return name


@asynccontextmanager
async def _together(work: tuple[Coroutine[Any, Any, None], ...]) -> AsyncGenerator[None]:
    """Run `work` beside the block; a loop that dies takes the process with it rather than failing in silence."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
