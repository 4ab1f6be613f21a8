"""`rig up` and `rig serve SERVER`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from servers.kit.errors import InvalidInput

SERVERS = {
    "conductor": "rig.embedded.alone",
    "github": "servers.github.__main__",
    "memory": "servers.memory.__main__",
    "workspace": "servers.workspace.__main__",
}


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command()(up)
    root.command()(serve)


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for database, keys, workspaces")] = None,
    agents: Annotated[int | None, typer.Option(min=1, max=32, help="How many of each character")] = None,
    json: Annotated[bool, typer.Option("--json", help="Say as JSON where it serves")] = False,
) -> None:
    """Run the whole rig on this machine: database, servers, pages and agents on demand."""
    from rig.embedded.up import main

    given = {"host": host, "port": port, "data_dir": data_dir, "agents": agents}
    raise typer.Exit(main({name: value for name, value in given.items() if value is not None}, json))


def serve(
    server: Annotated[str, typer.Argument(help="conductor, github, memory or workspace")],
    stdio: Annotated[bool, typer.Option("--stdio", help="To whoever starts it, not over HTTP")] = False,
) -> None:
    """Serve one MCP server by itself, as in a cluster; its settings are its environment.

    Over standard input and output it serves the person who starts it; the workspace server knows no other way.
    """
    if server not in SERVERS:
        raise InvalidInput(f"There is no server {server}; there are {', '.join(SERVERS)}.")
    module: Any = importlib.import_module(SERVERS[server])
    raise typer.Exit(module.main(["--stdio"] if stdio else []))
