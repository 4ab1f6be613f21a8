"""`rig migrate` and `rig replay`: work on the event store itself."""

from __future__ import annotations

from typing import Annotated

import typer


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command()(migrate)
    root.command()(replay)


def migrate() -> None:
    """Bring the database of RIG_DATABASE_URL to this version's tables."""


def replay(
    until: Annotated[str | None, typer.Option(help="Position or time (ISO 8601) to stop at")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show every issue's state as the events say it, up to now or to a moment in the past."""
