"""`rig character check|schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rig.cli.output import console, print_json
from servers.kit.errors import InvalidInput

app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="character", help="Check character files.")


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Character files")],
    json: Annotated[bool, typer.Option("--json", help="Print the characters as JSON")] = False,
) -> None:
    """Read character files strictly; every mistake is named with its file and line."""
    from servers.kit.character import Character, load

    found: list[Character] = []
    mistakes: list[str] = []
    for file in files:
        try:
            found.append(load(file))
        except InvalidInput as error:
            mistakes.append(str(error))
    if mistakes:
        raise InvalidInput("\n".join(mistakes))
    if json:
        print_json([character.model_dump(mode="json", by_alias=True) for character in found])
        return
    for file, character in zip(files, found, strict=True):
        console().print(f"{file}: {character.name}, {character.role}: valid", markup=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a character file, for editors."""
    from servers.kit.character import json_schema

    print_json(json_schema())
