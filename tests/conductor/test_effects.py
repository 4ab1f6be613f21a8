"""What events ask for is done in the world: at least once, in order, and never in silence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conductor.effects.runner import MAX_ATTEMPTS, Effects
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.gate import Policy
from conductor.merge.snapshot import Thread
from conductor.store.writer import SQL, Store
from servers.kit.database import Pool
from servers.kit.errors import Conflict, Forbidden, Unavailable, Unsettled, from_wire
from servers.kit.wake import background
from tests.conductor import histories as h
from tests.conductor.effecting import STREAM, rows, soon, told, work_off
from tests.conductor.memory_github import MERGED_SHA, MemoryGitHub
from tests.conductor.samples import NEXT_HEAD, REPOSITORY_ID, observed
from tests.fixtures_waiting import Eventually

AWAY = Unavailable("GitHub is away.")
HELD = "The label `do-not-merge` holds it; remove it to go on."


async def test_an_approval_is_posted_its_threads_resolved_and_the_pull_request_merged(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    github.show(github.pulls[34], threads=[Thread(id="ours", resolved=False, ours=True)])

    async def resolve() -> None:
        github.show(github.pulls[34], threads=[])

    github.during["resolve_thread"] = resolve
    await told(store, h.verdict(reviewing))
    await work_off(effects, pool)
    assert [what for what, _ in github.done[:2]] == ["post_review", "resolve_thread"]
    assert {what for what, _ in github.done[2:]} == {"set_status", "merge"}
    issue = await told(store)
    assert (issue.status, issue.merged) == ("done", MERGED_SHA)


async def test_effects_of_one_lane_wait_for_each_other(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    github.failing["post_review"] = [AWAY]
    await told(store, h.verdict(reviewing))
    assert await effects.work() == 1
    assert await effects.work() == 0, "nothing overtakes what was put off"
    assert github.done == []
    await work_off(effects, pool)
    assert github.done[0] == ("post_review", (34, "approve"))


async def test_github_away_is_tried_again_later_and_later(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    github.failing["post_review"] = [AWAY] * 4
    await told(store, h.verdict(reviewing, "request_changes"))
    waits: list[float] = []
    for _ in range(4):
        await effects.work()
        waits.append(await pool.fetchval("SELECT extract(epoch FROM due_at - now())::float8 FROM lanes"))
        await soon(pool)
    assert [round(wait * 2) / 2 for wait in waits] == [0.5, 1, 2, 4]
    await effects.work()
    assert (await rows(pool))[0] == ("post_review", "done", 5, None)


async def test_a_rate_limit_is_waited_for_as_long_as_github_says(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    github.failing["post_review"] = [from_wire("rate_limited: GitHub limits the rate. Try again in 240 s.")]
    await told(store, h.verdict(reviewing, "request_changes"))
    await effects.work()
    wait = await pool.fetchval("SELECT extract(epoch FROM due_at - now())::float8 FROM lanes")
    assert 235 < wait <= 240


async def test_github_away_never_gives_anything_up(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    github.failing["post_review"] = [AWAY] * (3 * MAX_ATTEMPTS)
    await told(store, h.verdict(reviewing, "request_changes"))
    for _ in range(3 * MAX_ATTEMPTS):
        await soon(pool)
        assert await effects.work() == 1
    wait = await pool.fetchval("SELECT extract(epoch FROM due_at - now())::float8 FROM lanes")
    assert 55 < wait <= 60
    await work_off(effects, pool)
    assert (await told(store)).status == "changes_requested"
    assert github.done[0] == ("post_review", (34, "request_changes"))


@pytest.mark.parametrize(
    "error", [Unsettled("GitHub does not say yet."), TimeoutError()], ids=["not settled", "too slow"]
)
async def test_what_never_succeeds_although_github_answers_is_given_up_and_asks_a_person(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool, error: Exception
) -> None:
    await told(store, h.verdict(reviewing, "request_changes"))
    await pool.execute("UPDATE effects SET attempts = $1 WHERE state = 'waiting'", MAX_ATTEMPTS - 2)
    github.failing["post_review"] = [AWAY, error, error]
    await effects.work()
    await pool.execute("UPDATE effects SET attempts = $1 WHERE state = 'waiting'", MAX_ATTEMPTS - 2)
    for _ in range(2):
        await soon(pool)
        await effects.work()
    assert (await told(store)).escalation == "The rig could not post review."
    ends = {kind: state for kind, state, *_ in await rows(pool)}
    assert (ends["post_review"], ends["comment"]) == ("failed", "waiting")


@pytest.mark.parametrize(
    ("error", "words"),
    [(Forbidden("Not with this token."), "Not with this token."), (KeyError("x\0y"), "KeyError: 'x\\x00y'")],
    ids=["refused", "a bug"],
)
async def test_what_is_refused_or_breaks_is_recorded_and_asks_a_person(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool, error: Exception, words: str
) -> None:
    github.failing["post_review"] = [error]
    await told(store, h.verdict(reviewing, "request_changes"))
    await work_off(effects, pool)
    assert (await told(store)).status == "escalated"
    assert ("post_review", "failed", 1, words) in await rows(pool)
    assert ("comment", 1) in github.done


async def test_a_failed_comment_about_a_failure_is_the_end_of_it(
    effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    github.failing["comment"] = [Forbidden("Locked.")]
    await told(store, c.RecordEffectFailed("merge", "no"))
    await work_off(effects, pool)
    assert [state for kind, state, *_ in await rows(pool) if kind == "comment"] == ["failed"]


async def test_an_effect_of_a_newer_version_is_left_to_it(effects: Effects, store: Store, pool: Pool) -> None:
    issue = await told(store, observed())
    row: dict[str, Any] = {"key": "k", "stream": issue.stream, "lane": "l", "kind": "teleport"}
    row |= {"data": {}, "delay": 0}
    await pool.execute(SQL["write_effects"], [row])
    await effects.work()
    kind, state, _, words = (await rows(pool))[-1]
    assert (kind, state) == ("teleport", "waiting")
    assert words == "This version of the rig does not know how to teleport; a newer one does."


class TestMerging:
    @pytest.fixture
    async def merging(self, store: Store, reviewing: Issue) -> Issue:
        await told(store, h.verdict(reviewing))
        return await told(store, h.look(reviewing))

    @pytest.mark.parametrize(
        ("changes", "status", "words"),
        [
            ({"labels": ["do-not-merge"]}, "ready_to_merge", [HELD]),
            ({"head_sha": NEXT_HEAD, "checks_state": "pending"}, "in_review", []),
            ({"checks_state": "failure"}, "changes_requested", []),
        ],
        ids=["held", "pushed", "red"],
    )
    async def test_asks_the_gate_again_at_the_last_moment(
        self,
        effects: Effects,
        store: Store,
        github: MemoryGitHub,
        merging: Issue,
        pool: Pool,
        changes: dict[str, Any],
        status: str,
        words: list[str],
    ) -> None:
        github.show(github.pulls[34], **{"checks": []} | changes)
        await work_off(effects, pool)
        issue = await told(store)
        assert ("merge", 34) not in github.done
        assert (issue.status, issue.waiting_for) == (status, words)

    async def test_that_github_refuses_is_tried_again_and_then_asks_a_person_in_githubs_words(
        self, effects: Effects, store: Store, github: MemoryGitHub, merging: Issue, pool: Pool
    ) -> None:
        github.failing["merge"] = [Conflict("Required status check is expected.")] * 9
        await work_off(effects, pool)
        issue = await told(store)
        assert (issue.status, github.calls["merge"]) == ("escalated", 3)
        words = "GitHub did not merge it: Required status check is expected."
        assert issue.escalation == f"GitHub refused 3 times to merge it: {words}"

    async def test_whose_answer_was_lost_happens_once(
        self, effects: Effects, store: Store, github: MemoryGitHub, merging: Issue, pool: Pool
    ) -> None:
        github.lost["merge"] = [AWAY]
        await work_off(effects, pool)
        assert github.done.count(("merge", 34)) == 1
        assert (await told(store)).status == "done"

    async def test_comes_after_everything_that_was_to_be_said_before(
        self, effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
    ) -> None:
        github.failing["post_review"] = [AWAY] * 3
        await told(store, h.verdict(reviewing))
        await told(store, h.look(reviewing))
        await work_off(effects, pool)
        done = [what for what, _ in github.done]
        assert done.index("post_review") < done.index("set_status") < done.index("merge")

    async def test_by_a_person_meanwhile_is_taken_as_it_is(
        self, effects: Effects, store: Store, github: MemoryGitHub, merging: Issue, pool: Pool
    ) -> None:
        github.show(github.pulls[34], state="merged", merged_sha=MERGED_SHA, merged_by="ada")
        await work_off(effects, pool)
        assert (await told(store)).status == "done"

    async def test_is_dropped_when_a_person_cancels_first(
        self, effects: Effects, store: Store, github: MemoryGitHub, merging: Issue, pool: Pool
    ) -> None:
        await told(store, c.Cancel("No.", "ada"))
        await work_off(effects, pool)
        assert ("merge", 34) not in github.done


class TestLooking:
    async def test_reads_again_what_was_read_before_the_issue_moved_on(
        self, effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue
    ) -> None:
        async def pushed() -> None:
            del github.during["snapshot"]
            issue = await told(store)
            moved = h.running(issue, head_sha=NEXT_HEAD)
            await told(store, moved)
            github.pulls[34] = moved.pull

        github.show(github.pulls[34], checks_state="failure")
        stale = github.pulls[34]
        github.during["snapshot"] = pushed
        await effects.look_now(STREAM)
        issue = await told(store)
        assert issue.pull_request
        assert (issue.pull_request.head, issue.ci_failures) == (NEXT_HEAD, 0)
        assert github.pulls[34] != stale

    async def test_asks_again_until_github_knows_whether_it_can_be_merged(
        self, effects: Effects, store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
    ) -> None:
        github.show(github.pulls[34], mergeable="unknown")
        await told(store, h.verdict(reviewing))
        for _ in range(5):
            await effects.work()
            await soon(pool)
        assert (await told(store)).status == "ready_to_merge"
        github.show(github.pulls[34], mergeable="mergeable")
        await work_off(effects, pool)
        assert (await told(store)).status == "done"


async def test_two_executors_do_each_effect_once(
    effects: Effects, store: Store, github: MemoryGitHub, pool: Pool, eventually: Eventually
) -> None:
    for number in range(1, 21):
        stream = f"issue-{REPOSITORY_ID}-{number}"
        await handle(store, stream, observed(number), "test")
        await handle(store, stream, c.RecordEffectFailed("merge", "no"), "test")
    other = Effects(store, github, Policy())

    async def all_done() -> bool:
        return await pool.fetchval("SELECT count(*) = 20 FROM effects WHERE state = 'done'")

    async with background(effects.run()), background(other.run()):
        await eventually(all_done)
    assert sorted(number for what, number in github.done if what == "comment") == list(range(1, 21))
    assert github.calls["comment"] == 20


async def test_what_a_killed_executor_had_begun_is_done_by_another(
    store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool, eventually: Eventually
) -> None:
    begun = asyncio.Event()

    async def begin() -> None:
        begun.set()
        await hang()

    await told(store, c.RecordEffectFailed("merge", "no"))
    github.during["comment"] = begin
    async with background(Effects(store, github, Policy(), lease_seconds=0.5).run()):
        await asyncio.wait_for(begun.wait(), 15)
    del github.during["comment"]
    async with background(Effects(store, github, Policy()).run()):
        await eventually(lambda: ("comment", 1) in github.done)


async def test_an_effect_that_hangs_is_put_off_after_a_while(
    store: Store, github: MemoryGitHub, reviewing: Issue, pool: Pool
) -> None:
    await told(store, c.RecordEffectFailed("merge", "no"))
    github.during["comment"] = hang
    hasty = Effects(store, github, Policy(), limit_seconds=0.2)
    assert [await hasty.work(), await hasty.work()] == [1, 1]
    assert ("comment", "waiting", 1, "It took too long.") in await rows(pool)


async def hang() -> None:
    await asyncio.Event().wait()
