"""Whatever the model's API does to a run, the issue ends merged, or a person is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.embedded.crew import PACKAGED
from tests.mesh.watching import ISSUE, Watch, merged_once, watched

pytestmark = pytest.mark.timeout(300)


async def complaints(watch: Watch) -> list[str]:
    """What the scripted model did not expect; the failures that were ordered are none of that."""
    return [entry.error for entry in await watch.stage.model.requests() if entry.error and not entry.fault]


async def test_an_issue_is_merged_once_through_every_kind_of_model_failure() -> None:
    async with watched() as watch:
        model = watch.stage.model
        await model.fault("rate_limited", retry_after=0.5)
        await model.fault("server_error", skip=1)
        await model.fault("overloaded", times=4, skip=1)  # longer than the SDK's own patience
        await model.fault("cut", skip=1)
        await model.fault("overloaded_midway", skip=1)
        await model.fault("broken_json", skip=1)
        await model.fault("wrong_input", skip=1)
        await model.fault("silent", skip=1)
        await watch.stage.file_issue(0)
        await merged_once(watch)
        assert await model.faults() == []
        assert await complaints(watch) == []
        assert "AGENT_STUCK" not in watch.kinds()


async def test_an_endless_tool_loop_meets_the_runs_budget_and_a_person_can_let_it_go_on(tmp_path: Path) -> None:
    async with watched(RIG_CHARACTERS=str(hasty_characters(tmp_path))) as watch:
        await watch.stage.model.fault("endless_tools", times=None)
        await watch.stage.file_issue(0)
        over = await watch.next("BUDGET_EXCEEDED", scope="run")
        assert "12 model calls" in over["data"]["reason"]
        escalated = await watch.next("ESCALATED", brake="budget")
        assert "mcp__workspace__list_files" in escalated["data"]["evidence"]
        comment = await watch.comment("The rig needs a person here.")
        assert "mcp__workspace__list_files" in comment
        assert "AGENT_STUCK" not in watch.kinds()

        await watch.stage.model.clear_faults()
        await watch.ask("decide_gate", issue=ISSUE, approve=True, note="The model was confused. Try again.")
        await watch.next("ESCALATION_DECIDED", decision="retry")
        await watch.next("ISSUE_DONE")
        assert len(watch.tally.merges[ISSUE]) == 1


def hasty_characters(folder: Path) -> Path:
    """The rig's own characters, with fewer turns for each run."""
    source = next(place for place in PACKAGED if place.is_dir())
    for file in source.glob("*.yaml"):
        text = file.read_text()
        assert "\n  turns: " in text
        lines = ["  turns: 12" if line.startswith("  turns: ") else line for line in text.splitlines()]
        (folder / file.name).write_text("\n".join(lines) + "\n")
    return folder
