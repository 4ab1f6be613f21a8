"""Every command of `rig`, and how it ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rig.cli import agents, characters, demo, guard, issues, memory, messages, runs, serving, store, tokens
from rig.cli.output import fail, rig_error_in

app = typer.Typer(
    name="rig",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"rig {version('engineering-rig')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and exit")
    ] = False,
) -> None:
    """Takes a GitHub issue from backlog to merged pull request."""


for module in (demo, serving, store, issues, runs, messages, memory, agents, characters, guard, tokens):
    module.register(app)


def run() -> None:
    """Run one command; what the rig refuses is one line on standard error, exit code 2 for bad input."""
    try:
        app()
    except BaseException as error:
        found = rig_error_in(error)
        if found is None:
            raise
        sys.exit(fail(found))
