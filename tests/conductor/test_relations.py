"""What an issue waits for, wherever that stands and however it is said."""

from __future__ import annotations

import msgspec
import pytest

from conductor.intake.translate import IssueSeen, PullSeen
from conductor.issues.words import waits_for
from conductor.store.writer import Store
from servers.kit.errors import Forbidden
from tests.conductor.looking import ELSEWHERE, World, other
from tests.conductor.memory_github import CLEAR
from tests.conductor.samples import REPOSITORY, pull_request


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


class TestDependencies:
    async def test_in_the_text_hold_an_issue_until_they_are_closed(self, world: World) -> None:
        world.github.label(7)
        issue = await world.look(1, body=f"{CLEAR} Depends on #7.")
        assert waits_for(issue) == ["It depends on acme/tally#7."]
        await world.look(7)
        assert (await world.issue(1)).status == "blocked"
        await world.look(7, state="closed")
        assert (await world.issue(1)).status == "queued"

    async def test_that_github_shows_hold_it_too_in_other_repositories(self, world: World) -> None:
        world.github.label(1)
        world.github.relate(1, blocked_by=[other(3, repository="acme/other")])
        assert (await world.look(1)).status == "blocked"
        world.github.relate(1, blocked_by=[other(3, "closed", repository="acme/other")])
        assert (await world.look(1)).status == "queued"

    async def test_may_be_nobodys_work_and_still_set_it_free(self, world: World) -> None:
        world.github.label(7)
        world.github.edit(7, labels=[], labeller=None)
        await world.look(1, body=f"{CLEAR} Blocked by #7.")
        world.github.edit(7, state="closed")
        assert "not labelled" in (await world.sights.follow(IssueSeen(REPOSITORY, 7)) or "")
        assert (await world.issue(1)).status == "queued"

    async def test_may_be_a_pull_request(self, world: World) -> None:
        issue = await world.look(2)
        world.github.show(pull_request(issue, number=34, head_ref="somebodys"))
        assert (await world.look(1, body=f"{CLEAR} Depends on #34.")).status == "blocked"
        world.github.show(world.github.pulls[34], state="merged")
        await world.sights.follow(PullSeen(REPOSITORY, 34))
        assert (await world.issue(1)).status == "queued"

    async def test_that_the_rig_did_are_over_before_github_says_so(self, world: World) -> None:
        await world.look(7)
        world.github.relate(7, sub_issues=[other(8, "closed")])
        assert (await world.look(7)).status == "done"
        assert (await world.look(1, body=f"{CLEAR} Depends on #7.")).status == "queued"

    async def test_that_are_not_found_hold_it_with_one_comment(self, world: World) -> None:
        issue = await world.look(1, body=f"{CLEAR} Depends on #99.")
        assert waits_for(issue) == [
            "It depends on acme/tally#99, which the rig cannot find. Correct the description."
        ]
        assert await world.act() == ["comment"]
        await world.look(1)
        assert await world.act() == []
        await world.look(99, body=CLEAR)
        assert waits_for(await world.issue(1)) == ["It depends on acme/tally#99."]

    async def test_that_may_not_be_read_are_not_found(self, world: World) -> None:
        world.github.label(1)
        world.github.failing["get_issue"] = [None, None, Forbidden("acme/secret is not enrolled.")]
        issue = await world.look(1, body=f"{CLEAR} Depends on acme/secret#1.")
        assert issue.blocked
        assert issue.blocked.missing == ["acme/secret#1"]


class TestACircle:
    async def test_through_three_issues_is_named_and_ends_when_a_text_changes(self, world: World) -> None:
        for number, follows in ((1, 2), (2, 3), (3, 1)):
            world.github.label(number)
            world.github.edit(number, body=f"{CLEAR} Depends on #{follows}.")
        for number in (1, 2, 3):
            await world.look(number)
        [said] = waits_for(await world.issue(1))
        assert said.startswith("It waits for itself: acme/tally#1 → acme/tally#2 → acme/tally#3 → acme/tally#1.")
        assert (await world.act()).count("comment") == 3
        await world.look(3, body=CLEAR)
        issues = [await world.issue(number) for number in (1, 2, 3)]
        assert [issue.status for issue in issues] == ["blocked", "blocked", "queued"]
        assert [issue.blocked.why for issue in issues if issue.blocked] == ["dependencies", "dependencies"]

    async def test_of_one_is_a_circle(self, world: World) -> None:
        issue = await world.look(1, body=f"{CLEAR} Depends on #1.")
        assert issue.blocked
        assert issue.blocked.by == ["acme/tally#1", "acme/tally#1"]

    async def test_may_lead_through_a_sub_issue(self, world: World) -> None:
        world.github.label(2)
        world.github.edit(2, body=f"{CLEAR} Depends on #1.")
        world.github.label(1)
        world.github.relate(1, sub_issues=[other(2, "open", "agent-ready")])
        issue = await world.look(1)
        assert issue.blocked
        assert issue.blocked.why == "cycle"

    async def test_that_is_far_away_costs_few_looks(self, world: World) -> None:
        for number in range(1, 200):
            world.github.label(number)
            world.github.edit(number, body=f"{CLEAR} Depends on #{number + 1}.")
        assert (await world.look(1)).status == "blocked"
        assert world.github.calls["get_issue"] < 40


class TestAnEpic:
    async def test_is_done_and_closed_when_its_parts_are_wherever_they_stand(self, world: World) -> None:
        parts = [other(2, "open", "agent-ready"), other(3, repository=ELSEWHERE)]
        world.github.label(1)
        world.github.relate(1, sub_issues=parts)
        issue = await world.look(1)
        assert waits_for(issue) == [
            "It waits for its sub-issue acme/tally#2.",
            "It waits for its sub-issue acme/web#3, which nobody starts: it has no label agent-ready.",
        ]
        assert (await world.look(2)).status == "queued"
        closed = [msgspec.structs.replace(part, state="closed") for part in parts]
        world.github.relate(1, sub_issues=closed)
        await world.look(2, state="closed")
        assert (await world.issue(1)).status == "done"
        assert await world.act() == ["comment", "close_issue"]
        assert "acme/web#3" in world.github.said[-1][1]

    async def test_notices_that_a_part_got_its_label(self, world: World) -> None:
        world.github.label(1)
        world.github.relate(1, sub_issues=[other(2)])
        await world.look(1)
        world.github.relate(1, sub_issues=[other(2, "open", "agent-ready")])
        await world.look(2)
        assert waits_for(await world.issue(1)) == ["It waits for its sub-issue acme/tally#2."]
