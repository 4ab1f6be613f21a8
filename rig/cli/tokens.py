"""`rig token issue SUBJECT`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from rig.cli.output import print_json
from servers.kit.errors import InvalidInput

app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="token", help="Issue tokens.")


@app.callback()
def token() -> None:
    """Issue tokens."""


@app.command()
def issue(
    subject: Annotated[str, typer.Argument(help="Whom the token names: a person, character or server")],
    role: Annotated[str, typer.Option(help="What it may do; a character's role is in its file")] = "person",
    days: Annotated[float, typer.Option(min=0.01, max=3650, help="How long it is valid")] = 90,
    data_dir: Annotated[Path | None, typer.Option(help="The rig's data folder, which holds the key")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print token and expiry as JSON")] = False,
) -> None:
    """Print a bearer token that this rig's servers accept."""
    from rig.embedded.first_start import DataFolder
    from rig.embedded.settings import UpSettings
    from servers.kit.auth import ROLES
    from servers.kit.clock import SystemClock

    if role not in ROLES:
        raise InvalidInput(f"There is no role {role}; there are {', '.join(ROLES)}.")
    if not subject.strip() or len(subject) > 100:
        raise InvalidInput("SUBJECT is a name of 1 to 100 characters.")
    folder = DataFolder(data_dir or UpSettings.load().data_dir)
    folder.make()
    if not folder.key_file.exists():
        made = f"rig: Made {folder.key_file}. Only a rig that has this key takes the token; see --data-dir."
        typer.echo(made, err=True)
    lifetime = timedelta(days=days)
    issued = folder.signing_key().issue(subject, role, lifetime)
    if json:
        expires = SystemClock().now() + lifetime
        print_json({"token": issued, "subject": subject, "role": role, "expires_at": expires.isoformat()})
    else:
        typer.echo(issued)
