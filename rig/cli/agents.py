"""`rig agent run CHARACTER`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="agent", help="Run agents.")


@app.callback()
def agent() -> None:
    """Run agents."""


@app.command()
def run(character: Annotated[Path, typer.Argument(help="Character file, such as dev-e-python.yaml")]) -> None:
    """Run one agent: it claims work, does it, reports, and starts over until it is idle or told to end."""
    from agents.run import main

    raise typer.Exit(main(character))
