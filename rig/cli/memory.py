"""`rig memory search`, `list` and `reembed`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rig.cli.asking import ask
from rig.cli.output import clean, console, print_json, print_table
from servers.kit.errors import InvalidInput, Refused, Unavailable

if TYPE_CHECKING:
    from servers.kit.database import Pool

COLUMNS = ("id", "kind", "repo", "importance", "hits", "trust", "memory")
SHOWN = 160
app = typer.Typer(no_args_is_help=True)
Repo = Annotated[str | None, typer.Option(help="As owner/repo, with what holds everywhere; by default all")]
Limit = Annotated[int, typer.Option(min=1, max=50, help="At most so many")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="memory", help="Look at what the rig remembers.")


@app.callback()
def memory() -> None:
    """Look at what the rig remembers."""


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="A question, words, an identifier or an error message")],
    repo: Repo = None,
    limit: Limit = 8,
    json: Json = False,
) -> None:
    """Find what is remembered, best first."""
    asked = {"query": query, "repo": repo, "limit": limit, "preview_chars": SHOWN}
    _show(ask("read_memories", asked, "memory"), json)


@app.command(name="list")
def list_memories(repo: Repo = None, limit: Limit = 20, json: Json = False) -> None:
    """List what was remembered last, newest first."""
    _show(ask("list_recent", {"repo": repo, "limit": limit, "preview_chars": SHOWN}, "memory"), json)


def _show(answer: Any, json: bool) -> None:
    if json:
        print_json(answer)
        return
    if answer["memories"]:
        print_table(COLUMNS, ([*(one[name] for name in COLUMNS[:-1]), _said(one)] for one in answer["memories"]))
    if answer["note"]:
        console().print(clean(answer["note"]), markup=False)


def _said(memory: dict[str, Any]) -> str:
    """The beginning of a memory in one line, without the fence that is there for models."""
    return " ".join(re.sub(r"</?memory-[0-9a-f]+>", "", memory["text"]).split())


@app.command()
def reembed(json: Json = False) -> None:
    """Give every memory vectors of the model that is set now; readers go on meanwhile.

    What is done stays done: after an interruption, call it again.
    """
    from rig.cli.store import require_log, with_pool

    require_log()
    moved, left, away = with_pool(_reembed)
    if json:
        print_json({"moved": moved, "left": left})
    else:
        console().print(f"{moved} memories have new vectors, {left} are left.")
    if left and away:
        raise Unavailable("The embedder does not answer. Call `rig memory reembed` again once it does.")
    if left:
        raise Refused("The embedder does not take what is left; it stays found by its words alone.")


async def _reembed(pool: Pool) -> tuple[int, int, bool]:
    from servers.kit.database import migrate
    from servers.memory.backfill import Backfill
    from servers.memory.embedders.choice import choose
    from servers.memory.settings import MemorySettings
    from servers.memory.store import MIGRATIONS, MemoryStore

    settings = MemorySettings.load(database_url="postgresql:///unused")
    await migrate(pool, MIGRATIONS, name="memory")
    async with choose(settings) as embedder:
        if embedder is None:
            raise InvalidInput("There is no embedder: set RIG_MEMORY_EMBEDDER. Memories are found by their words.")
        store = MemoryStore(pool, embedder)
        backfill = Backfill(store)
        return await backfill.embed(move=True), await backfill.left(), store.meaning.away
