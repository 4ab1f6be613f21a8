"""`rig character check|schema`."""

from __future__ import annotations

from collections.abc import Iterator
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
    files: Annotated[list[Path], typer.Argument(help="Character files, or folders of them")],
    json: Annotated[bool, typer.Option("--json", help="Print the characters, or the mistakes, as JSON")] = False,
) -> None:
    """Read character files strictly; every mistake is named with its file and line."""
    from servers.kit.character import Character, load

    found: dict[Path, Character] = {}
    mistakes: list[str] = []
    for file in _files(files):
        try:
            found[file] = load(file)
        except InvalidInput as error:
            mistakes += str(error).splitlines()
    if json:
        characters = [character.model_dump(mode="json", by_alias=True) for character in found.values()]
        print_json({"characters": characters, "mistakes": mistakes} if mistakes else characters)
    else:
        for file, character in found.items():
            console().print(f"{file}: {character.name}, {character.role}: valid", markup=False, soft_wrap=True)
    if mistakes:
        raise InvalidInput("\n".join(mistakes))


def _files(given: list[Path]) -> Iterator[Path]:
    """Every file, and every `*.yaml` of a folder; once each."""
    for path in dict.fromkeys(given):
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not inside:
            raise InvalidInput(f"{path} holds no character files (*.yaml).")
        yield from inside


@app.command()
def schema() -> None:
    """Print the JSON Schema of a character file, for editors."""
    from servers.kit.character import json_schema

    print_json(json_schema())
