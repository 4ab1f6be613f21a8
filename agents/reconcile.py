"""What every run knows before it begins: the rig's state, the repository's own rules and documents, memories."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from agents import repository
from agents.assigned import Run
from agents.memories import recalled
from agents.workspace import WorkingCopy
from servers.kit.errors import Fenced, RigError, Superseded
from servers.kit.logs import get

log = get(__name__)
GUIDES = {"agents.md": repository.GUIDE, "claude.md": "CLAUDE.md"}
SAME = (repository.GUIDE, f"@{repository.GUIDE}")  # a link to the other guide, or all of it included
DOCUMENTS = 3
DOCUMENT = 6_000
_PATH = re.compile(r"(?<![\w/.-])((?:[\w.-]+/){0,8}[\w.-]+\.(?:md|mdx|rst|adoc|txt))\b")
_WORD = re.compile(r"[a-z][a-z0-9]{3,}")
_COMMON = frozenset(
    {
        "about", "after", "again", "also", "been", "before", "from", "have", "into", "issue", "only", "other",
        "should", "some", "than", "that", "their", "them", "then", "there", "these", "they", "this", "what",
        "when", "where", "which", "with", "without", "would", "your", "docs", "readme",
    }
)  # fmt: skip


async def reconciled(run: Run, commit: str | None) -> dict[str, str]:
    """The blocks of the opening that are not the assignment itself, by source.

    Args:
        commit: Whose files say how things are done: the base's head; None without a repository.

    Raises:
        Fenced, Superseded: The work is no longer ours; nothing else that fails stops a run.
    """
    about = f"{run.assignment.title}\n{run.assignment.body}"
    brain, memories, files = await asyncio.gather(
        _brain(run), recalled(run, about), files_of(run.copy, commit, about) if commit else _none()
    )
    return {"brain": brain, "memories": memories, **files}


async def _none() -> dict[str, str]:
    return {}


async def _brain(run: Run) -> str:
    return await _asked(run, "conductor", "get_brain", repository=run.assignment.real_repository)


async def _asked(run: Run, server: str, tool: str, **arguments: Any) -> str:
    try:
        answer = await run.mesh.call(server, tool, arguments, patience=0)
    except (Fenced, Superseded):
        raise
    except RigError as error:
        log.info("a run begins without it", server=server, tool=tool, reason=str(error))
        return ""
    return str(answer)


async def files_of(copy: WorkingCopy, commit: str, about: str) -> dict[str, str]:
    """The guides for agents, and the documents that the issue names or that are called like what it is about."""
    guides = {source: await copy.show(commit, path) or "" for source, path in GUIDES.items()}
    if guides["claude.md"].strip() in (*SAME, guides["agents.md"].strip()):
        guides["claude.md"] = ""
    chosen = relevant(await copy.paths(commit), about)
    shown = [f"--- {path}\n{(await copy.show(commit, path) or '')[:DOCUMENT]}" for path in chosen]
    return {**guides, "documents": "\n\n".join(shown)}


def relevant(paths: Sequence[str], about: str, most: int = DOCUMENTS) -> list[str]:
    """The documents among `paths` that a text names, and then those whose names share words with it."""
    taken = {path.lower() for path in GUIDES.values()}
    documents = [path for path in paths if _PATH.fullmatch(path) and path.lower() not in taken]
    named = set(_PATH.findall(about))
    first = [path for path in documents if path in named or PurePosixPath(path).name in named]
    words = set(_WORD.findall(about.lower())) - _COMMON
    ranked = sorted((-len(words & _words_of(path)), path) for path in documents if path not in first)
    return [*first, *(path for score, path in ranked if score < 0)][:most]


def _words_of(path: str) -> set[str]:
    in_docs = path.lower().startswith(("docs/", "doc/", "documentation/"))
    return set(_WORD.findall(path.lower())) - _COMMON if in_docs else set()
