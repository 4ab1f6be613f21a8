"""Work that has to wait: what is saved of it, and how it goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rig.doubles.anthropic.script import Play, say, use
from servers.kit.errors import Fenced

if TYPE_CHECKING:
    from tests.agents.stage import Stage

BRANCH = "feature/issue-12-double"
PARKED = f"{BRANCH}-parked"
HALF: dict[str, str | None] = {"app.py": "def double(n):\n    return n\n"}
WHOLE = "def double(n):\n    return 2 * n\n"
FINISH = use("finish", title="fix: double the number", summary="It added one too many.")


def write(content: str, path: str = "app.py") -> Any:
    return use("mcp__workspace__write_file", path=path, content=content)


def finish() -> Play:
    yield say("", FINISH)


async def interrupt(stage: Stage, content: str, kind: str = "implement", path: str = "app.py", **offer: Any) -> None:
    """Let a run write `content`, and then be told to stop."""

    def play() -> Play:
        (yield say("", write(content, path))).only.ok()
        while True:
            (yield say("", use("mcp__workspace__list_files"))).only.ok()

    stage.script(play)
    stage.offer(kind, **offer)
    running = asyncio.create_task(stage.run(stage.character(turns=1000)))
    await stage.conductor.heard("TOKEN_USAGE", times=3)
    stage.conductor.refused = {"check_claim"}
    stage.conductor.stop = "critical ada/tally#9 goes first"
    await running
    stage.conductor.stop = None


async def test_unfinished_work_waits_on_its_branch_and_the_next_run_goes_on_from_it(stage: Stage) -> None:
    await interrupt(stage, WHOLE)
    released = stage.conductor.said("release_assignment")[0]
    assert released == {"reason": "critical ada/tally#9 goes first", "parked": True}
    parked = stage.git("rev-parse", BRANCH)
    assert stage.git("log", "-1", "--format=%an: %B", BRANCH) == (
        "Dev-E (Python): chore: work in progress on #12\n\n"
        "Rig-Issue: ada/tally#12\nRig-Run: 0190-run\nRig-Parked: critical ada/tally#9 goes first"
    )
    stage.requests.clear()
    stage.script(finish)
    stage.offer(run="0191-run")
    await stage.run()
    assert "\nEarlier work: The files hold what was done" in stage.opening()
    assert stage.conductor.facts()[-2:] == ["PR_CREATED", "complete_assignment"]
    assert stage.git("rev-parse", f"{BRANCH}^") == parked
    assert f"{stage.git('show', f'{BRANCH}:app.py')}\n" == WHOLE


async def test_a_rework_waits_beside_the_pull_request_and_leaves_nothing_there(stage: Stage) -> None:
    pull = await stage.pull_request(HALF)
    await interrupt(stage, WHOLE, "rework", pull_request=pull, reason="ci_failed", feedback="AssertionError")
    assert stage.git("rev-parse", BRANCH, f"{PARKED}^").split() == [pull["head_sha"]] * 2
    stage.script(finish)
    stage.offer("rework", pull_request=pull, reason="ci_failed", feedback="AssertionError")
    await stage.run()
    assert stage.conductor.facts()[-2:] == ["PR_UPDATED", "complete_assignment"]
    assert f"{stage.git('show', f'{BRANCH}:app.py')}\n" == WHOLE
    assert sorted(stage.branches()) == [BRANCH, "main"]


async def test_a_half_resolved_conflict_waits_with_its_markers_named(stage: Stage) -> None:
    pull = await stage.pull_request({"app.py": WHOLE})
    base = await stage.github.push_files(
        "ada/tally", "main", {"app.py": "def double(m):\n    return m\n"}, login="ada"
    )
    offer: dict[str, Any] = {"pull_request": pull | {"conflicting": True}, "reason": "changes_requested"}
    await interrupt(stage, "Both.\n", "rework", path="NOTES.md", feedback="Say so in NOTES.md.", **offer)
    assert stage.git("rev-parse", f"{PARKED}^1", f"{PARKED}^2").split() == [pull["head_sha"], base]

    def play() -> Play:
        (yield say("", write("def double(m):\n    return 2 * m\n"))).only.ok()
        yield say("", FINISH)

    stage.requests.clear()
    stage.script(play)
    stage.offer("rework", feedback="Say so in NOTES.md.", **offer)
    await stage.run()
    assert "Files with conflict markers:\napp.py:1\n" in stage.opening()
    assert "Say so in NOTES.md." in stage.opening()
    assert stage.conductor.facts()[-1] == "complete_assignment"
    assert stage.git("show", f"{BRANCH}:NOTES.md") == "Both."
    assert base in stage.git("rev-list", BRANCH).split()


async def test_parked_work_that_a_person_overtook_is_left_behind(stage: Stage) -> None:
    pull = await stage.pull_request(HALF)
    await interrupt(stage, "raise\n", "rework", pull_request=pull, reason="ci_failed", feedback="AssertionError")
    moved = stage.push({"NEWS.md": "Soon.\n"}, pull["head_sha"])

    def play() -> Play:
        (yield say("", write(WHOLE))).only.ok()
        yield say("", FINISH)

    stage.requests.clear()
    stage.script(play)
    stage.offer("rework", pull_request=pull | {"head_sha": moved}, reason="ci_failed", feedback="AssertionError")
    await stage.run()
    assert "Earlier work" not in stage.opening()
    assert stage.git("rev-parse", f"{BRANCH}^") == moved
    assert sorted(stage.branches()) == [BRANCH, "main"]


async def test_a_secret_in_unfinished_work_stays_where_it_is(stage: Stage) -> None:
    await interrupt(stage, f"<<<<<<< here\nghp_{'a' * 36}\n=======\n>>>>>>> there\n")
    assert stage.branches() == ["main"]
    assert stage.conductor.said("release_assignment")[0]["parked"]


async def test_work_that_is_no_longer_ours_is_not_saved(stage: Stage) -> None:
    stage.conductor.refuse, stage.conductor.refused = Fenced("Somebody else has it now."), {"nothing yet"}
    running = asyncio.create_task(interrupt(stage, WHOLE))
    await stage.conductor.heard("TOKEN_USAGE", times=4)
    stage.conductor.offers.clear()
    await running
    assert stage.branches() == ["main"]
    assert "release_assignment" not in stage.conductor.names
