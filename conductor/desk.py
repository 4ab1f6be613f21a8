"""Everything that the conductor's tools, pages and background work share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve

from conductor.around import Rules
from conductor.dispatch.claims import Dispatch
from conductor.dispatch.pauses import Pauses
from conductor.dispatch.purse import Purse
from conductor.dispatch.watch import Watch
from conductor.effects.runner import Effects
from conductor.intake.door import Intake
from conductor.intake.incidents import Incidents
from conductor.intake.postbox import Postbox
from conductor.intake.reconcile import Reconciler
from conductor.intake.translation import Translation
from conductor.store.writer import Store
from conductor.vitals import Vitals
from servers.kit.auth import SigningKey
from servers.kit.character import Character
from servers.kit.database import Pool
from servers.kit.tools import state_of
from servers.kit.wake import Wake


@dataclass(frozen=True)
class Desk:
    """The opened conductor.

    Attributes:
        key: Signs renewed tokens; None where another process issues them.
        token_lifetime: How long a renewed token is valid.
    """

    pool: Pool
    wake: Wake
    store: Store
    dispatch: Dispatch
    postbox: Postbox
    intake: Intake
    translation: Translation
    effects: Effects
    incidents: Incidents
    reconciler: Reconciler
    watch: Watch
    purse: Purse
    pauses: Pauses
    catalogue: Mapping[str, Character]
    key: SigningKey | None
    token_lifetime: timedelta
    vitals: Vitals

    @property
    def rules(self) -> Rules:
        return Rules(self.catalogue, self.store.limits.open_issues)


async def _desk(ctx: Context[Any, Any]) -> Desk:
    return state_of(ctx)


DeskDep = Annotated[Desk, Resolve(_desk)]
