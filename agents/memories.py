"""What a run begins with from memory, and what it says of it in the end; without the memory server a run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from agents.assigned import Run
from agents.results import Remembering
from servers.kit.errors import Fenced, RigError, Superseded
from servers.kit.logs import get

log = get(__name__)
SERVER = "memory"
FOUND = 6
LONGEST_QUERY = 2_000
LEADING = "What everybody who works here should know:"
FITTING = "What may be of use here (get_memory has the whole of what is cut):"
AFTERWARDS = "When you finish, name in helped_by and misled_by those that did."
ASKED_AFTERWARDS = ("implement", "rework", "review")


async def recalled(run: Run, about: str) -> str:
    """What is remembered of work like this, for the opening: what leads, and apart from it what fits.

    Raises:
        Fenced, Superseded: The work is no longer ours.
    """
    asked: dict[str, Any] = {"query": about[:LONGEST_QUERY], "limit": FOUND, "leading": True}
    if where := run.assignment.real_repository:
        asked["repo"] = where
    answer = await _asked(run, "read_memories", asked)
    text = shown(answer) if answer else ""
    return f"{text}\n\n{AFTERWARDS}" if text and run.assignment.kind in ASKED_AFTERWARDS else text


def shown(answer: Mapping[str, Any]) -> str:
    """The answer of `read_memories` as text, empty where nothing leads and nothing fits."""
    leading: Sequence[Mapping[str, Any]] = answer.get("leading", ())
    first = {one["id"] for one in leading}
    fitting = [one for one in answer["memories"] if one["id"] not in first] if answer["relevant"] else []
    places = [(LEADING, leading), (FITTING, fitting)]
    return "\n\n".join("\n".join([title, *map(_entry, memories)]) for title, memories in places if memories)


def _entry(memory: Mapping[str, Any]) -> str:
    where = memory["repo"] or "everywhere"
    return f"[{memory['id']}] {memory['kind']} by {memory['written_by']}, for {where}:\n{memory['text']}"


async def mark_uses(run: Run, result: BaseModel) -> None:
    """Tell the memory server which memories the result says helped or misled.

    Raises:
        Fenced, Superseded: The work is no longer ours.
    """
    if not isinstance(result, Remembering):
        return
    for outcome, memories in {"helped": result.helped_by, "misled": result.misled_by}.items():
        for memory in dict.fromkeys(memories):  # one by one, so that a wrong id spoils no other
            await _asked(run, "mark_used", {"ids": [memory], "outcome": outcome})


async def _asked(run: Run, tool: str, arguments: Mapping[str, Any]) -> Any:
    if SERVER not in run.character.mcp_servers:
        return None
    try:
        return await run.mesh.call(SERVER, tool, arguments, patience=0)
    except (Fenced, Superseded):
        raise
    except RigError as error:
        log.info("a run goes on without memory", tool=tool, reason=str(error))
        return None
