"""From what GitHub shows to what the rig does about it: relations, rules and answers, with GitHub in memory."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from conductor import commands as c
from conductor.commands import Assign
from conductor.effects import Effects
from conductor.gate import Policy
from conductor.github import Labeller, SeenComment, SeenIssue, SeenOther, SeenRival
from conductor.handler import handle
from conductor.issue import Issue, stream_of
from conductor.sight import Sights
from conductor.sight_issue import Readiness, stack_of
from conductor.store import Store
from conductor.translate import BaseSeen, IssueSeen, PullSeen
from conductor.views import waits_for
from servers.kit.errors import Forbidden, InvalidInput, TooLarge
from tests.conductor.memory_github import CLEAR, MemoryGitHub
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID, pull_request

ELSEWHERE = "acme/web"


class World:
    """The rig's eyes and hands on GitHub in memory."""

    def __init__(self, store: Store, **readiness: Any) -> None:
        self.store = store
        self.github = MemoryGitHub()
        self.sights = Sights(store, self.github, Policy(), [REPOSITORY, ELSEWHERE], readiness=Readiness(**readiness))
        self.effects = Effects(store, self.github, Policy())

    async def look(self, number: int = 1, **changes: Any) -> Issue:
        """Label the issue if it is new, let it look as told, and follow it."""
        if number not in self.github.issues:
            self.github.label(number)
        self.github.edit(number, **changes)
        await self.sights.follow(IssueSeen(REPOSITORY, number))
        return await self.issue(number)

    async def issue(self, number: int = 1) -> Issue:
        return (await self.store.load(stream_of(REPOSITORY_ID, number)))[1]

    async def act(self) -> list[str]:
        """Do every effect that is due; what was written on GitHub since the last time."""
        self.github.done.clear()
        while await self.effects.work(20):
            pass
        return [what for what, _ in self.github.done]

    async def take(self, number: int = 1) -> Issue:
        take = Assign("dev-e", "dev", "dev-e", "1", "run", ("implement",))
        return (await handle(self.store, stream_of(REPOSITORY_ID, number), take, "dev-e")).issue


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def other(number: int, state: str = "open", *labels: str, repository: str = REPOSITORY) -> SeenOther:
    return SeenOther(repository=repository, number=number, state=state, labels=list(labels))


def words(*questions: str) -> str:
    return "**Before anybody starts, the rig has to know more.**\n\n" + "\n".join(f"* {one}" for one in questions)


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


class TestAPullRequestByAPerson:
    RIVAL = SeenRival(repository=REPOSITORY, number=12, author="alice", head_ref="mine")

    async def test_holds_the_issue_until_it_is_closed_unmerged(self, world: World) -> None:
        world.github.label(1)
        world.github.relate(1, pull_requests=[self.RIVAL])
        issue = await world.look(1)
        assert waits_for(issue) == ["#12 by alice already closes it."]
        world.github.relate(1, pull_requests=[])
        shown = pull_request(issue, number=12, head_ref="mine", author="alice", state="closed")
        world.github.show(shown)
        assert await world.sights.follow(PullSeen(REPOSITORY, 12)) is None
        assert (await world.issue(1)).status == "queued"

    async def test_that_is_opened_takes_the_work_from_its_holder(self, world: World) -> None:
        issue = await world.look(1)
        await world.take(1)
        world.github.relate(1, pull_requests=[self.RIVAL])
        world.github.show(pull_request(issue, number=12, head_ref="mine", author="alice"))
        await world.sights.follow(PullSeen(REPOSITORY, 12))
        issue = await world.issue(1)
        assert (issue.status, issue.holder) == ("blocked", None)

    async def test_is_told_from_the_rigs_own_by_its_branch(self, world: World) -> None:
        issue = await world.look(1)
        await world.take(1)
        own = SeenRival(repository=REPOSITORY, number=34, author="rig-dev[bot]", head_ref=issue.branch)
        world.github.relate(1, pull_requests=[own])
        assert (await world.look(1)).status == "assigned"
        forged = msgspec.structs.replace(own, fork=True)
        world.github.relate(1, pull_requests=[forged])
        assert (await world.look(1)).status == "blocked"


class TestQuestions:
    async def test_are_asked_once_and_the_authors_answer_starts_the_work(self, world: World) -> None:
        issue = await world.look(1, body="")
        assert issue.blocked
        assert issue.blocked.why == "questions"
        assert sorted(await world.act()) == ["add_label", "comment"]
        assert (await world.look(1)).status == "blocked"
        assert await world.act() == []
        asked = SeenComment(author="rig[bot]", body=words(*issue.blocked.questions), ours=True, bot=True)
        strangers = SeenComment(author="eve", body="Do anything.")
        world.github.relate(1, comments=[asked, strangers])
        assert (await world.look(1)).status == "blocked"
        world.github.relate(1, comments=[asked, strangers, SeenComment(author="ada", body="Count the lines.")])
        free = await world.look(1)
        assert (free.status, free.body) == ("queued", "## Answers\n\n**ada:** Count the lines.")
        assert await world.act() == ["remove_label"]
        assert "needs-info" not in world.github.issues[1].labels
        assert (await world.look(1)).status == "queued"
        assert await world.act() == []

    async def test_are_answered_by_a_better_text(self, world: World) -> None:
        await world.look(1, body="")
        free = await world.look(1, body=CLEAR)
        assert (free.status, free.body) == ("queued", CLEAR)

    async def test_are_not_asked_where_the_operator_does_not_want_it(self, store: Store) -> None:
        assert (await World(store, rules=False).look(1, body="")).status == "queued"

    async def test_of_the_template_are_recognised(self, world: World) -> None:
        world.github.label(1)
        world.github.relate(1, templates=["Which version should we look at?"])
        issue = await world.look(1, body="Which version should we look at?")
        assert issue.blocked

    async def test_of_a_judge_are_not_taken_for_answered_by_an_older_answer(self, store: Store) -> None:
        world = World(store, judge="judge-e")
        old = [
            SeenComment(author="rig[bot]", body=words("What?"), ours=True, bot=True),
            SeenComment(author="ada", body="This."),
        ]
        world.github.label(1)
        world.github.relate(1, comments=old)
        await world.look(1)
        stream = stream_of(REPOSITORY_ID, 1)
        take = Assign("judge-e", "review", "judge-e", "1", "run", ("verify",))
        fence = (await handle(store, stream, take, "judge-e")).issue.fence
        said = c.SubmitReadiness("judge-e", "judge-e", "1", fence, ready=False, questions=["How fast?"])
        await handle(store, stream, said, "judge-e")
        assert (await world.look(1)).status == "blocked"
        newer = [SeenComment(author="rig[bot]", body=words("How fast?"), ours=True), SeenComment(author="bob")]
        world.github.relate(1, comments=[*old, *newer])
        assert (await world.look(1)).status == "blocked"
        answer = SeenComment(author="bob", body="At once.", trusted=True)
        world.github.relate(1, comments=[*old, *newer, answer])
        assert "At once." in (await world.look(1)).body


class TestTheRepositorysOwnRules:
    async def test_that_are_wrong_start_nothing_until_the_base_has_better_ones(self, world: World) -> None:
        world.github.config = "stack: go\nstak: python\n"
        issue = await world.look(1)
        assert issue.status == "escalated"
        assert await world.act() == ["comment"]
        assert ".rig-agent.yaml:2: stak: unknown key" in world.github.said[0][1]
        assert await world.sights.follow(BaseSeen(REPOSITORY, "main")) is None
        assert await world.act() == []
        world.github.config = "stack: go\n"
        await world.sights.follow(BaseSeen(REPOSITORY, "main"))
        issue = await world.issue(1)
        assert (issue.status, issue.stack) == ("queued", "go")

    @pytest.mark.parametrize("error", [InvalidInput("It is not text in UTF-8."), TooLarge("It has 900000 bytes.")])
    async def test_that_github_does_not_show_as_text_are_wrong(self, world: World, error: Exception) -> None:
        world.github.failing["file"] = [error]
        assert str(error) in ((await world.look(1)).escalation + str(await self.evidence(world)))

    async def evidence(self, world: World) -> Any:
        return [event.data for event in await world.store.read(stream_of(REPOSITORY_ID, 1))]

    @pytest.mark.parametrize("config", ["- a\n", "a: &a [*a]\n", "x" * 1_000_000, "stack: a\nstack: b\n", "a\0b: 1"])
    async def test_that_are_hostile_are_wrong(self, world: World, config: str) -> None:
        world.github.config = config
        assert (await world.look(1)).brake == "repository_config"

    async def test_say_the_stack_unless_a_label_does(self, world: World) -> None:
        assert (await world.look(1)).stack == "python"
        assert (await world.look(2, labels=["agent-ready", "stack:Rust"])).stack == "rust"
        assert (await world.look(2, labels=["agent-ready"])).stack == "python"


def test_the_first_label_names_the_stack() -> None:
    assert (stack_of([]), stack_of(["Stack: Go", "stack:b"])) == ("", "go")


async def test_an_issue_that_lost_its_label_keeps_its_pull_request_and_says_so_once(world: World) -> None:
    issue = await world.look(1)
    await world.take(1)
    world.github.show(pull_request(issue, checks=[], checks_state="none"))
    await world.sights.follow(PullSeen(REPOSITORY, 34))
    await world.act()
    assert (await world.look(1, labels=[], labeller=None)).status == "cancelled"
    assert await world.act() == ["comment"]
    assert "#34 is left as it is" in world.github.said[-1][1]
    await world.look(1)
    assert await world.act() == []
    world.github.label(1, setting=2)
    left = SeenRival(repository=REPOSITORY, number=34, author="rig-dev[bot]", head_ref=issue.branch)
    world.github.relate(1, pull_requests=[left])
    assert waits_for(await world.look(1)) == ["#34 by rig-dev[bot] already closes it."]


async def test_a_stranger_starts_nothing_however_clear_the_issue(world: World) -> None:
    world.github.issues[1] = SeenIssue(
        repository_id=REPOSITORY_ID,
        repository=REPOSITORY,
        number=1,
        title="Please",
        body=CLEAR,
        state="open",
        labels=["agent-ready"],
        labeller=Labeller(login="mallory", permission="read", setting=1),
    )
    assert "without write permission" in (await world.sights.follow(IssueSeen(REPOSITORY, 1)) or "")
    assert (await world.issue(1)).status == "new"
