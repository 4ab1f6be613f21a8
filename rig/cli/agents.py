"""`rig agent run CHARACTER`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from servers.kit.errors import InvalidInput

app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="agent", help="Run agents.")


@app.callback()
def agent() -> None:
    """Run agents."""


@app.command()
def run(
    character: Annotated[str, typer.Argument(help="Character file, or the name of one, such as dev-e-python")],
) -> None:
    """Run one agent: it claims work, does it, reports, and starts over until it is idle or told to end."""
    from agents import lean

    lean.load()
    from agents.providers import loading
    from agents.run import main
    from agents.settings import AgentSettings
    from servers.kit.character import load

    path = _file(character)
    loading.require(load(path), AgentSettings.load())
    raise typer.Exit(main(path))


def _file(character: str) -> Path:
    """The file at a path, or the one of the character that has this name."""
    path = Path(character)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    from rig.embedded.crew import characters_folder
    from rig.embedded.settings import UpSettings
    from servers.kit.character import load_files

    folder = characters_folder(UpSettings.load())
    files = {one.name: file for file, one in load_files(folder).items()}
    if character not in files:
        raise InvalidInput(f"There is no character {character} in {folder}; there are {', '.join(sorted(files))}.")
    return files[character]
