"""The lint of what is remembered with its two adapters: the memory server and the GitHub server, over MCP."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from conductor.comments import DRIFT
from conductor.memories import DocumentServer, Lint, MemoryServer
from tests.fixtures_waiting import Eventually
from tests.github.conftest import TALLY, Rig
from tests.memory.conftest import Rig as MemoryRig
from tests.memory.conftest import Serve

LOCK = "After changing pyproject.toml run `make lock`."


@pytest.fixture
async def memory(serve: Serve) -> AsyncGenerator[MemoryRig]:
    async with serve() as opened:
        yield opened


async def lint(rig: Rig, memory: MemoryRig) -> Lint:
    memories = MemoryServer((await memory.caller("service")).client)
    return Lint(memories, DocumentServer((await rig.service()).client), [TALLY])


async def proven(memory: MemoryRig, content: str) -> int:
    """A memory that helped in five issues."""
    person = await memory.person()
    about = {"kind": "learning", "repo": TALLY, "importance": 4}
    id = int((await person.call("write_memory", content=content, **about))["id"])
    for number in range(5):
        await person.call("mark_used", ids=[id], outcome="helped", issue=f"{TALLY}#{number + 1}")
    return id


async def test_what_proved_itself_becomes_a_document_by_one_pull_request(rig: Rig, memory: MemoryRig) -> None:
    id = await proven(memory, LOCK)
    looking = await lint(rig, memory)
    assert await looking.promote() == 1
    assert await looking.promote() == 0
    [pull] = (await rig.double.api("GET", f"/repos/{TALLY}/pulls", "ada")).json()
    assert pull["head"]["ref"] == f"docs/learning-{id}"
    assert (await (await memory.person()).call("get_memory", id=id))["promoted_url"] == pull["html_url"]
    path = f"docs/learnings/{id}-after-changing-pyproject-toml-run-make.md"
    file = await (await rig.service()).call("get_file", repository=TALLY, path=path, ref=pull["head"]["ref"])
    assert LOCK in file["content"]


async def test_what_is_forgotten_while_it_is_proposed_holds_up_no_other(rig: Rig, memory: MemoryRig) -> None:
    gone, stays = await proven(memory, LOCK), await proven(memory, "The daemon needs a display.")
    person = await memory.person()

    class Slow(DocumentServer):
        async def proposed(self, repository: str, branch: str) -> str | None:
            await person.call("forget_memory", id=gone, why="It was wrong.")
            return await super().proposed(repository, branch)

    memories = MemoryServer((await memory.caller("service")).client)
    assert await Lint(memories, Slow((await rig.service()).client), [TALLY]).promote() == 1
    assert (await person.call("get_memory", id=stays))["promoted_url"]


async def test_documents_that_a_newer_memory_contradicts_are_reported_once(
    rig: Rig, memory: MemoryRig, eventually: Eventually
) -> None:
    document: dict[str, str | None] = {"docs/serving.md": "# Serving\n\nThe daemon listens on port 7700.\n"}
    await rig.double.push_files(TALLY, "main", document, login="ada")
    looking, person = await lint(rig, memory), await memory.person()
    about = {"kind": "decision", "repo": TALLY}

    async def contradicted() -> bool:  # git's times are in whole seconds
        other = await person.call("write_memory", content="The daemon listens on port 8800.", **about)
        found = await looking.compare()
        if not found:
            await person.call("forget_memory", id=other["id"], why="It was written too early.")
        return bool(found)

    await eventually(contradicted)
    assert await looking.compare() == 1
    issues = (await rig.double.api("GET", f"/repos/{TALLY}/issues", "ada")).json()
    [report] = [issue for issue in issues if issue["title"] == DRIFT]
    assert "port 7700" in report["body"]
    assert "port 8800" in report["body"]
