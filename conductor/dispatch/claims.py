"""Hands out work: parked claimers, leases by the database's clock, and what each character could do right now."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from conductor.dispatch.chores import Chores, is_chore
from conductor.dispatch.chores import Held as HeldChore
from conductor.dispatch.demand import alone
from conductor.dispatch.interrupts import Beat, Held, Interrupts
from conductor.dispatch.outlook import outlook
from conductor.events import Kind
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.store.records import Claimed, ClaimRequest
from conductor.store.writer import ASSIGNMENTS, Store, connection_of
from servers.kit.character import CHORES, MORE, WORK, Character
from servers.kit.database import load_queries
from servers.kit.errors import Fenced, NotFound, Refused, RigError, Superseded, Unavailable
from servers.kit.logs import get
from servers.kit.tools import Caller, Claim

SQL = load_queries(Path(__file__).with_name("dispatch.sql"))
MAX_WAIT_SECONDS = 20
LEFT = "left: "  # how the last words of an agent begin
log = get(__name__)


def kinds_for(role: str) -> tuple[Kind, ...]:
    """The kinds of work that a role may do."""
    if role in WORK:
        return (*WORK[role], *(kind for kind in MORE.get(role, ()) if role != "dev"))
    return ("implement", "rework", "review")


def _may(caller: Caller, character: Character | None) -> tuple[Kind, ...]:
    """What a caller may do: the kinds of its character where it has one, and what is asked of it by name."""
    own = character.work if character else kinds_for(caller.role)
    return (*own, "chore") if caller.is_agent else own


def _kinds_like(kind: Kind) -> tuple[Kind, ...]:
    """What somebody who does `kind` comes for."""
    return ("implement", "rework") if kind in ("implement", "rework") else (kind,)


class Dispatch:
    """Claims and leases.

    Args:
        catalogue: The characters that exist, by name, whether or not they ever connected.
        lease_seconds: How long a heartbeat holds a claim.
        first_heartbeat_seconds: A claim without any heartbeat lapses after this, without a strike.
        grace_seconds: How much later than its end a lease is expired.
        park_seconds: How long a holder that was told to stop may go on before its work is parked without it.
    """

    def __init__(
        self,
        store: Store,
        catalogue: Mapping[str, Character],
        lease_seconds: float = 90,
        first_heartbeat_seconds: float = 30,
        grace_seconds: float = 60,
        park_seconds: float = 60,
    ) -> None:
        self.store = store
        self.catalogue = catalogue
        self.lease_seconds = lease_seconds
        self._first = first_heartbeat_seconds
        self._grace = grace_seconds
        self._interrupts = Interrupts(store, park_seconds)
        self.chores = Chores(store, catalogue, lease_seconds)

    async def claim(
        self,
        caller: Caller,
        kinds: tuple[Kind, ...],
        wait_seconds: float,
        stream: str | None = None,
        providers: Sequence[str] = (),
    ) -> Claimed | HeldChore | None:
        """The best work for `caller`, waiting up to `wait_seconds` (at most 20) for some to appear."""
        request = self._request(caller, kinds, stream, providers)
        ends = self.store.clock.monotonic() + min(max(wait_seconds, 0), MAX_WAIT_SECONDS)
        while True:
            seen = self.store.wake.count(ASSIGNMENTS)
            if claimed := await self._best(caller, request):
                return claimed
            remaining = ends - self.store.clock.monotonic()
            if remaining <= 0:
                return None
            await self.store.wake.wait(ASSIGNMENTS, remaining, seen)

    async def _best(self, caller: Caller, request: ClaimRequest) -> Claimed | HeldChore | None:
        """What the instance holds, else an issue's work, else a chore."""
        if request.stream is None and (held := await self.chores.resume(caller, request.kinds)):
            return held
        if not CHORES.issuperset(request.kinds) and (claimed := await self.store.claim(request)):
            return claimed
        if request.stream is not None:
            return None
        return await self.chores.take(caller, request.kinds, request.providers)

    def _request(
        self, caller: Caller, kinds: tuple[Kind, ...], stream: str | None, providers: Sequence[str] = ()
    ) -> ClaimRequest:
        me = self.catalogue.get(caller.subject)
        return ClaimRequest(
            agent=caller.subject,
            role=caller.role if caller.is_agent else "person",
            instance=caller.instance,
            boot=caller.boot,
            run=str(uuid7(self.store.clock.now())),
            stacks=tuple(me.stacks) if me else (),
            kinds=tuple(kind for kind in kinds if kind in _may(caller, me)),
            alone=not me or alone(me, self.catalogue),
            stream=stream,
            providers=tuple(providers) or (me.providers if me else ()),
        )

    async def heartbeat(self, caller: Caller, claim: Claim | None, step: str) -> Beat:
        """Note that `caller` lives and renew its lease, if it names a claim; an agent may be told to make room.

        Raises:
            Fenced, Superseded: The claim is over.
        """
        async with connection_of(self.store.pool) as connection:
            await connection.fetchval(SQL["seen"], caller.subject, caller.instance, caller.role, step)
        if claim is None:
            return Beat()
        if is_chore(claim):
            until = await self.chores.heartbeat(caller, claim, step)
            async with connection_of(self.store.pool) as connection:
                return Beat(until, await connection.fetchval(SQL["halted"], claim.repository, caller.subject))
        stream = await self.stream_of(claim.issue)
        key = (stream, claim.fence, caller.subject, caller.instance, caller.boot)
        async with connection_of(self.store.pool) as connection:
            row = await connection.fetchrow(
                SQL["heartbeat"], *key, self.lease_seconds, step, self._interrupts.patience
            )
        if row is None:
            await self.check(claim, caller.subject, caller.instance, caller.boot)
            return Beat()
        if caller.is_agent and row["halted"]:
            return Beat(row["lease_until"], row["halted"])
        held = Held(claim, stream, row["stopping_for"], row["overdue"])
        if not caller.is_agent or not (row["urgent"] or held.stopping_for):
            return Beat(row["lease_until"])
        request = self._request(caller, _kinds_like(row["kind"]), None)
        return Beat(row["lease_until"], await self._interrupts.stop(held, request))

    async def note_end(self, agent: str, instance: str, role: str, why: str) -> None:
        """Note that an agent's process is gone, and could not say so itself."""
        async with connection_of(self.store.pool) as connection:
            await connection.fetchval(SQL["seen"], agent, instance, role, f"{LEFT}{why}")

    async def check(self, claim: Claim, agent: str, instance: str, boot: str) -> None:
        """Whether a claim holds.

        Raises:
            Fenced: It lapsed, was taken away, or is somebody else's.
            Superseded: Another process of the same instance has it.
        """
        if is_chore(claim):
            await self.chores.check(claim, agent, instance, boot)
            return
        stream = await self.stream_of(claim.issue)
        async with connection_of(self.store.pool) as connection:
            row = await connection.fetchrow(SQL["claim_of"], stream)
        if row and (row["fence"], row["agent"], row["instance"], row["boot"]) == (claim.fence, agent, instance, boot):
            return
        if row and (row["agent"], row["instance"]) == (agent, instance) and row["boot"] != boot:
            raise Superseded(f"Another process of {instance} took {claim.issue} over. Stop; do not write any more.")
        owner = f"{row['agent']} has it now" if row else "nobody holds it now"
        raise Fenced(f"Your claim on {claim.issue} is over: {owner}. Stop; do not write any more.")

    async def stream_of(self, issue: str) -> str:
        """The stream of `owner/repo#12`.

        Raises:
            NotFound: The rig does not know the issue.
        """
        repository, _, number = issue.partition("#")
        stream = None
        if number.isdecimal():
            async with connection_of(self.store.pool) as connection:
                stream = await connection.fetchval(SQL["find_issue"], repository, int(number))
        if stream is None:
            raise NotFound(f"The rig does not know {issue}. Label it agent-ready on GitHub.")
        return stream

    async def demand(self) -> dict[str, int]:
        """How much work, open and in flight, each character could do or does; a paused one nothing."""
        look = await outlook(self.store, self.catalogue)
        active = [name for name in self.catalogue if name.lower() not in look.paused and name in look.of]
        demand = {name: len(look.of[name].open) + len(look.of[name].in_flight) for name in active}
        return {name: count for name, count in demand.items() if count}

    async def holders(self) -> dict[str, str]:
        """The instances that hold a claim now, those of paused agents aside, and which claim."""
        async with connection_of(self.store.pool) as connection:
            return {row["instance"]: row["claim"] for row in await connection.fetch(SQL["holders"])}

    async def expire(self) -> int:
        """Take back every claim whose lease ended; how many there were."""
        async with connection_of(self.store.pool) as connection:
            lapsed = await connection.fetch(SQL["lapsed"], self._first, self._grace)
        for row in lapsed:
            with suppress(Refused):
                await handle(self.store, row["stream"], c.ExpireLease(row["fence"], row["started"]), "conductor")
        return len(lapsed) + await self.chores.expire(self._first, self._grace)

    async def run(self, interval: float = 1.0) -> None:
        """Expire leases for ever."""
        while True:
            try:
                await self.expire()
            except Unavailable as error:
                log.warning("leases wait for the database", error=str(error))
            except RigError:
                log.exception("a lease could not be expired")
            await self.store.clock.sleep(interval)


def uuid7(now: datetime) -> UUID:
    """A time-ordered UUID (RFC 9562 §5.7)."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
    return UUID(int=value)


def feedback_of(issue: Issue) -> str | None:
    """What the author has to answer, as text: the words, then each remark with its place."""
    if issue.rework is None:
        return issue.evidence or None
    remarks = [f"{comment.path}:{comment.line}: {comment.body}" for comment in issue.comments]
    return "\n".join([issue.feedback, *remarks]).strip()
