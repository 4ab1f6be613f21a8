"""From what GitHub shows to what the rig does about it: pull requests of others, questions, rules and labels."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from conductor.github import Labeller, SeenComment, SeenIssue, SeenRival
from conductor.handler import handle
from conductor.intake.sight_issue import stack_of
from conductor.intake.translate import BaseSeen, IssueSeen, PullSeen
from conductor.issues import commands as c
from conductor.issues.commands import Assign
from conductor.issues.issue import stream_of
from conductor.issues.words import waits_for
from conductor.store.writer import Store
from servers.kit.errors import InvalidInput, TooLarge
from tests.conductor.looking import World
from tests.conductor.memory_github import CLEAR
from tests.conductor.samples import REPOSITORY, REPOSITORY_ID, pull_request


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def words(*questions: str) -> str:
    return "**Before anybody starts, the rig has to know more.**\n\n" + "\n".join(f"* {one}" for one in questions)


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

    async def test_shown_with_the_issue_are_not_asked_for_again(self, world: World) -> None:
        world.github.label(1)
        world.github.edit(1, default_branch="main")
        world.github.relate(1, settings="stack: go\n")
        await world.sights.follow(IssueSeen(REPOSITORY, 1))
        assert ((await world.issue(1)).stack, world.github.calls["file"]) == ("go", 0)

    @pytest.mark.parametrize("shown", ["elsewhere.yaml", None])
    async def test_not_shown_as_they_should_be_are_read_once_more(self, world: World, shown: str | None) -> None:
        world.github.config = "stack: go\n"
        world.github.label(1)
        world.github.edit(1, default_branch="main")
        world.github.relate(1, settings=shown)
        await world.sights.follow(IssueSeen(REPOSITORY, 1))
        assert ((await world.issue(1)).stack, world.github.calls["file"]) == ("go", 1)

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
    assert await world.act() == ["comment", "set_status"]
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


async def test_many_looks_at_once_ask_once(world: World) -> None:
    world.github.label(1)
    world.github.edit(1, body="")
    await asyncio.gather(*(world.look(1) for _ in range(8)))
    events = [event.type for event in await world.store.read(stream_of(REPOSITORY_ID, 1))]
    assert events == ["ISSUE_APPROVED", "ISSUE_BLOCKED"]
    assert (await world.act()).count("comment") == 1


async def test_an_author_cannot_have_the_rig_read_without_end(world: World) -> None:
    world.github.label(1)
    await world.look(1, body=CLEAR + "".join(f" Depends on #{n}." for n in range(2, 500)))
    assert world.github.calls["get_issue"] < 50
