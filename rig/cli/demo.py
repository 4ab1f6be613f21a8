"""`rig demo`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(demo)


def demo(
    issues: Annotated[int, typer.Option(min=1, max=10, help="How many issues to file at once")] = 1,
    agents: Annotated[int, typer.Option(min=1, max=8, help="How many agents of each character may run")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per event")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which it gives up")] = 180,
    provider: Annotated[
        Literal["anthropic", "claude-cli"],
        typer.Option(help="What the agents think with; claude-cli is Claude Code, which has to be installed"),
    ] = "anthropic",
) -> None:
    """Take issues of a small repository to merged pull requests on this machine, without any account.

    GitHub and the model are stand-ins at the wire (the model follows a script); everything else is real.
    """
    from rig.demo.director import main

    raise typer.Exit(main(issues=issues, agents=agents, keep=keep, as_json=json, timeout=timeout, provider=provider))
