"""A run begins with what is remembered and ends by saying what was of use; without memory it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.memories import shown
from rig.doubles.anthropic.script import Play, say, use
from servers.kit.errors import NotFound
from tests.agents.memories import memory

if TYPE_CHECKING:
    from tests.agents.stage import Stage


def finish_with(**memories: list[int]) -> Play:
    edit = use("mcp__workspace__edit_file", path="app.py", old="n + n + 1", new="2 * n")
    (yield say("", edit)).only.ok()
    yield say("", use("finish", title="fix: double the number", summary="It added one.", **memories))


async def test_a_run_begins_with_what_leads_and_with_what_fits(stage: Stage) -> None:
    stage.memories.leading = [memory(1, "Never touch the ledger.")]
    stage.memories.found = [memory(1, "Never touch the ledger."), memory(2, "Run checks.py.", repo="")]
    stage.offer()
    await stage.run()
    opening = stage.opening()
    assert 'source="memories">\nWhat everybody who works here should know:\n[1] learning by dev-f' in opening
    assert opening.count("Never touch the ledger.") == 1
    assert "for everywhere:\n<memory-02>\nRun checks.py.\n</memory-02>" in opening
    assert stage.memories.told[0] == ("read_memories", ("double() is off by one\ndouble(2) gives 5.", "ada/tally"))


async def test_a_run_ends_by_saying_what_helped_and_what_misled_under_its_claim(stage: Stage) -> None:
    stage.script(lambda: finish_with(helped_by=[2, 2, 3], misled_by=[1]))
    stage.offer()
    assert await stage.run() == 0
    issue = "ada/tally#12"
    marks = [said for tool, said in stage.memories.told if tool == "mark_used"]
    assert marks == [([2], "helped", issue), ([3], "helped", issue), ([1], "misled", issue)]
    assert stage.conductor.facts()[-1] == "complete_assignment"


async def test_a_memory_server_that_refuses_stops_no_run(stage: Stage) -> None:
    stage.memories.refuse = NotFound("There is no memory 2.")
    stage.script(lambda: finish_with(helped_by=[2, 3]))
    stage.offer()
    assert await stage.run() == 0
    assert [tool for tool, _ in stage.memories.told] == ["read_memories", "mark_used", "mark_used"]
    assert stage.conductor.facts()[-1] == "complete_assignment"


def test_what_does_not_fit_is_not_shown_but_what_leads_is() -> None:
    leading, found = memory(1, "Never touch the ledger."), memory(2, "Something else.")
    assert shown({"leading": [], "memories": [found], "relevant": False}) == ""
    text = shown({"leading": [leading], "memories": [found], "relevant": False})
    assert "ledger" in text
    assert "Something else" not in text
