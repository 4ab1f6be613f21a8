"""Pushing while people push to the same branch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rig.doubles.anthropic.script import Play, say, use

if TYPE_CHECKING:
    from tests.agents.stage import Stage

BRANCH = "feature/issue-12-double"
HALF: dict[str, str | None] = {"app.py": "def double(n):\n    return n\n"}
WHOLE = "def double(n):\n    return 2 * n\n"
FINISH = use("finish", title="fix: double the number", summary="It added one too many.")


def meanwhile(act: Callable[[], object]) -> Callable[[], Play]:
    """The repair, with `act` done once before it is handed in."""
    done: list[object] = []

    def play() -> Play:
        (yield say("", use("mcp__workspace__write_file", path="app.py", content=WHOLE))).only.ok()
        if not done:
            done.append(act())
        yield say("", FINISH)

    return play


async def test_what_a_person_pushed_meanwhile_is_built_upon_and_tested_together(stage: Stage) -> None:
    pull = await stage.pull_request(HALF)
    pushed: list[str] = []
    stage.script(meanwhile(lambda: pushed.append(stage.push({"NEWS.md": "Soon.\n"}, pull["head_sha"]))))
    stage.offer("rework", pull_request=pull, reason="changes_requested", feedback="Not double.")
    await stage.run()
    head = stage.conductor.said("PR_UPDATED")[0]["head_sha"]
    assert stage.git("rev-parse", BRANCH, f"{BRANCH}^").split() == [head, *pushed]
    assert stage.git("show", f"{BRANCH}:app.py", f"{BRANCH}:NEWS.md") == f"{WHOLE}Soon."


async def test_what_a_person_took_away_by_force_does_not_come_back(stage: Stage) -> None:
    pull = await stage.pull_request({**HALF, "NEWS.md": "Secret plans.\n"})
    stage.script(meanwhile(lambda: stage.push({"app.py": HALF["app.py"] or ""}, "main")))
    stage.offer("rework", pull_request=pull, reason="changes_requested", feedback="Not double.")
    await stage.run()
    assert stage.conductor.facts()[-2:] == ["PR_UPDATED", "complete_assignment"]
    assert "NEWS.md" not in stage.git("ls-tree", "--name-only", BRANCH).split()
    assert stage.git("rev-list", "--count", f"main..{BRANCH}") == "2"
    assert f"{stage.git('show', f'{BRANCH}:app.py')}\n" == WHOLE


async def test_what_does_not_fit_what_a_person_pushed_is_for_somebody_else(stage: Stage) -> None:
    pull = await stage.pull_request(HALF)
    pushed: list[str] = []
    theirs = {"app.py": "def double(n):\n    return n << 1\n"}
    stage.script(meanwhile(lambda: pushed.append(stage.push(theirs, pull["head_sha"]))))
    stage.offer("rework", pull_request=pull, reason="changes_requested", feedback="Not double.")
    await stage.run()
    stuck = stage.conductor.said("report_stuck")[0]
    assert (stuck["error_class"], stuck["evidence"]) == ("branch_moved", "app.py")
    assert stage.git("rev-parse", BRANCH) == pushed[0]


async def test_what_fails_together_with_what_a_person_pushed_is_not_pushed(stage: Stage) -> None:
    pushed: list[str] = []
    theirs = {"checks.py": "import app\nassert app.double(2) == 5\n"}
    stage.script(meanwhile(lambda: pushed.append(stage.push(theirs, "main"))))
    stage.offer()
    await stage.run()
    stuck = stage.conductor.said("report_stuck")[0]
    assert stuck["error_class"] == "branch_moved"
    assert "AssertionError" in stuck["evidence"]
    assert stage.git("rev-parse", BRANCH) == pushed[0]


async def test_a_late_push_of_a_run_that_lost_its_claim_is_replaced(stage: Stage) -> None:
    pull = await stage.pull_request(HALF)
    late = "fix: late\n\nRig-Issue: ada/tally#12\nRig-Run: 0189-run"
    stage.script(meanwhile(lambda: stage.push({"late.py": "1\n"}, pull["head_sha"], late)))
    stage.offer("rework", pull_request=pull, reason="changes_requested", feedback="Not double.")
    await stage.run()
    assert stage.conductor.facts()[-1] == "complete_assignment"
    assert stage.git("rev-parse", f"{BRANCH}^") == pull["head_sha"]
    assert "late.py" not in stage.git("ls-tree", "--name-only", BRANCH).split()
