"""The tools of those who answer for what is remembered: duplicates, and what is ripe to become a document."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from servers.kit.tools import DESTRUCTIVE, READ, WRITE
from servers.memory.arguments import Id, Line, Repo
from servers.memory.models import Candidates, Compaction, Merge, Named, Promoted
from servers.memory.toolbox import SERVERS, STEWARDS, AccessDep, tools

MERGED = "Applied. The duplicates are superseded and stay readable under their ids."
PROPOSED = "Nothing was changed. Call again with the merges that you want in `merge`."
UNLIKE = "No two memories say nearly the same."


@tools.tool(DESTRUCTIVE, STEWARDS)
async def compact_repo(
    access: AccessDep,
    repo: Annotated[Line, Field(description="As owner/repo; empty: what holds everywhere", max_length=201)],
    merge: Annotated[
        list[Merge] | None, Field(description="Merges to apply; without them only proposes", max_length=50)
    ] = None,
) -> Compaction:
    """Find memories of a repository that say nearly the same, among its newest 1,000, and merge those you name.

    A merge supersedes the duplicates by the one that stays, which gets their uses and tags; no text changes. All are
    applied or none.
    """
    if merge:
        await access.state.store.merge(repo, merge, access.author)
        return Compaction(proposed=[], applied=merge, note=MERGED)
    proposed = await access.state.shelf.alike(repo)
    return Compaction(proposed=proposed, applied=[], note=PROPOSED if proposed else UNLIKE)


@tools.tool(READ, STEWARDS)
async def promotion_candidates(
    access: AccessDep,
    repo: Repo = None,
    importance: Annotated[int, Field(ge=1, le=5, description="At least")] = 4,
    hits: Annotated[int, Field(ge=0, description="At least so many issues in which it helped")] = 5,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
) -> Candidates:
    """List memories that have proved themselves and should become a document of their repository.

    What holds everywhere has no repository to go to and is never among them.
    """
    return Candidates(candidates=await access.state.shelf.ripe(repo, importance, hits, limit))


@tools.tool(WRITE, SERVERS)
async def mark_promoted(
    access: AccessDep, id: Id, url: Annotated[Line, Field(description="Where it is one", max_length=500)]
) -> Promoted:
    """Note that a memory became a document; it is no candidate any more."""
    return Promoted(id=id, promoted=await access.state.store.mark_promoted(id, url, access.author))


@tools.tool(WRITE, SERVERS)
async def name_repository(
    access: AccessDep,
    id: Annotated[int, Field(ge=1, description="GitHub's number of it, which stays when it is renamed")],
    name: Annotated[Line, Field(description="What it is called now, as owner/repo", max_length=201)],
    before: Annotated[Line, Field(description="Another name that it had, if any", max_length=201)] = "",
) -> Named:
    """Say what a repository is called; what was remembered of it under other names follows.

    May be said again at any time. What is said under both names becomes one memory.
    """
    return Named(moved=await access.state.store.name_repository(id, name, before, access.author))
