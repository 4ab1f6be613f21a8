"""Keeps the claim alive while a run works, and brings the conductor's word: messages, or that it has to stop."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from agents.assignment import Assignment
from agents.errors import Stopped
from agents.mesh import Identity, Mesh
from agents.steering import Inbox
from servers.kit.errors import Fenced, RigError, Superseded
from servers.kit.logs import get

log = get(__name__)


class Pulse:
    """The heartbeat of one run; `step` is what people see it doing.

    Args:
        seconds: The character's own interval; the conductor may want a shorter one.

    Attributes:
        inbox: What was sent to the run.
    """

    def __init__(self, assignment: Assignment, mesh: Mesh, identity: Identity, seconds: float) -> None:
        self._interval = min(seconds, assignment.heartbeat_seconds)
        self._assignment = assignment
        self._mesh = mesh
        self._identity = identity
        self.inbox = Inbox()
        self.step = ""
        self.note = ""
        self.last_words = False

    async def beat(self) -> NoReturn:
        """Renew the claim for ever.

        Raises:
            Stopped: The conductor wants the work back.
            Fenced, Superseded: The claim is over.
        """
        while True:
            try:
                await self._once()
            except (Fenced, Superseded):
                if self.last_words:
                    # The run is handing in its result, which ends the claim: its own answer says how that went.
                    await asyncio.Event().wait()
                raise
            except RigError as error:
                log.warning("a heartbeat failed", issue=self._assignment.issue, error=str(error))
            await asyncio.sleep(self._interval)

    async def confirm(self) -> None:
        """Renew the claim now, whatever else the conductor wants.

        Raises:
            Fenced, Superseded: The claim is over.
            Unavailable: The conductor does not answer for too long.
        """
        await self._renew(patience=None)

    async def _once(self) -> None:
        if reason := (await self._renew(patience=0)).get("stop"):
            raise Stopped(str(reason))

    async def _renew(self, patience: float | None) -> dict[str, Any]:
        said = {"claim": self._assignment.claim.model_dump(), "step": self.step, "note": self.note}
        return await self._say(said, patience)

    async def acknowledge(self) -> None:
        """Tell the conductor, once more after the claim's end, which messages the model has seen."""
        if self.inbox.shown:
            try:
                await self._say({"step": self.step}, patience=0)
            except RigError as error:
                log.info("messages stay unread", issue=self._assignment.issue, reason=str(error))

    async def _say(self, said: dict[str, Any], patience: float | None) -> dict[str, Any]:
        shown = self.inbox.shown
        more = {"read": shown} if shown else {}
        answer = await self._mesh.call("conductor", "heartbeat", said | more, patience=patience)
        self.inbox.acknowledged(shown)
        self.inbox.put(answer.get("messages") or [])
        if token := answer.get("token"):
            self._identity.token = str(token)
        return answer
