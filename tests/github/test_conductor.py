"""The conductor's looks and deeds at issues, through this server, on a GitHub that behaves like the real one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from conductor.effects.runner import Effects
from conductor.github import GitHubServer
from conductor.intake.sight import Sights
from conductor.intake.translate import IssueSeen, PullSeen
from conductor.issues.issue import Issue
from conductor.issues.words import waits_for
from conductor.merge.gate import Policy
from conductor.store.writer import Store
from servers.kit.database import Pool
from servers.kit.wake import LocalWake, background
from tests.github.conftest import OTHER, TALLY, Rig

CLEAR = "The count should include blank lines."


@dataclass
class World:
    """A conductor that looks when it is told to."""

    rig: Rig
    store: Store
    sights: Sights
    effects: Effects

    async def file(self, body: str, repository: str = TALLY, *labels: str) -> int:
        number = await self.rig.double.file_issue(repository, "Count better", body, token="ada")
        await self.rig.double.label_issue(repository, number, "agent-ready", *labels, token="ada")
        return number

    async def look(self, number: int, repository: str = TALLY) -> Issue:
        await self.sights.follow(IssueSeen(repository, number))
        while await self.effects.work(10):
            pass
        query = "SELECT stream FROM issues WHERE repository = $1 AND number = $2"
        return (await self.store.load(await self.store.pool.fetchval(query, repository, number)))[1]

    async def close(self, number: int, repository: str = TALLY) -> None:
        await self.rig.double.api("PATCH", f"/repos/{repository}/issues/{number}", "ada", {"state": "closed"})
        await self.sights.follow(IssueSeen(repository, number))

    async def labels(self, number: int) -> list[str]:
        shown = (await self.rig.double.api("GET", f"/repos/{TALLY}/issues/{number}", "ada")).json()
        return [label["name"] for label in shown["labels"]]

    async def identity(self, number: int, repository: str = TALLY) -> int:
        return (await self.rig.double.api("GET", f"/repos/{repository}/issues/{number}", "ada")).json()["id"]


@pytest.fixture
async def world(rig: Rig, pool: Pool) -> AsyncGenerator[World]:
    store = Store(pool, LocalWake())
    github = GitHubServer((await rig.service()).client)
    async with background(store.run()):
        sights = Sights(store, github, Policy(), [TALLY, OTHER])
        yield World(rig, store, sights, Effects(store, github, Policy()))


async def test_an_epic_across_repositories_is_closed_when_its_parts_are(world: World) -> None:
    first, second = await world.file(CLEAR), await world.file(CLEAR, OTHER)
    parent = await world.file("The whole of it.")
    family = f"/repos/{TALLY}/issues/{parent}/sub_issues"
    for child in (await world.identity(first), await world.identity(second, OTHER)):
        assert (await world.rig.double.api("POST", family, "ada", {"sub_issue_id": child})).status_code == 201
    assert waits_for(await world.look(parent)) == [
        f"It waits for its sub-issue {TALLY}#{first}.",
        f"It waits for its sub-issue {OTHER}#{second}.",
    ]
    await world.close(first)
    await world.close(second, OTHER)
    assert (await world.look(parent)).status == "done"
    shown = (await world.rig.double.api("GET", f"/repos/{TALLY}/issues/{parent}", "ada")).json()
    assert (shown["state"], shown["state_reason"]) == ("closed", "completed")


async def test_dependencies_of_the_text_and_of_github_hold_an_issue_together(world: World) -> None:
    first, second = await world.file(CLEAR), await world.file(CLEAR, OTHER)
    issue = await world.file(f"{CLEAR} Depends on #{first}.")
    path = f"/repos/{TALLY}/issues/{issue}/dependencies/blocked_by"
    await world.rig.double.api("POST", path, "ada", {"issue_id": await world.identity(second, OTHER)})
    assert len(waits_for(await world.look(issue))) == 2
    await world.close(first)
    assert waits_for(await world.look(issue)) == [f"It depends on {OTHER}#{second}."]
    await world.close(second, OTHER)
    assert (await world.look(issue)).status == "queued"


async def test_a_vague_issue_is_asked_about_and_taken_up_when_its_author_answers(world: World) -> None:
    number = await world.file("Please.")
    assert (await world.look(number)).status == "blocked"
    assert "needs-info" in await world.labels(number)
    assert (await world.look(number)).status == "blocked"
    path = f"/repos/{TALLY}/issues/{number}/comments"
    said = (await world.rig.double.api("GET", path, "ada")).json()
    assert [one["user"]["login"] for one in said] == ["rig-conductor[bot]"]
    await world.rig.double.api("POST", path, "ada", {"body": "Blank lines count."})
    issue = await world.look(number)
    assert (issue.status, issue.body) == ("queued", "Please.\n\n## Answers\n\n**ada:** Blank lines count.")
    assert "needs-info" not in await world.labels(number)


async def test_a_pull_request_of_a_person_holds_the_issue_until_it_is_closed(world: World) -> None:
    number = await world.file(CLEAR)
    await world.rig.double.push_files(TALLY, "mine", {"app.py": "x = 1\n"}, login="ada")
    opened = {"title": "Mine", "head": "mine", "base": "main", "body": f"Closes #{number}"}
    pull = (await world.rig.double.api("POST", f"/repos/{TALLY}/pulls", "ada", opened)).json()["number"]
    assert waits_for(await world.look(number)) == [f"#{pull} by ada already closes it."]
    await world.rig.double.api("PATCH", f"/repos/{TALLY}/pulls/{pull}", "ada", {"state": "closed"})
    assert await world.sights.follow(PullSeen(TALLY, pull)) is None
    assert (await world.look(number)).status == "queued"


async def test_a_broken_file_is_named_on_the_issue_until_it_is_repaired(world: World) -> None:
    await world.rig.double.push_files(TALLY, "main", {".rig-agent.yaml": "stack: go\nstak: go\n"}, login="ada")
    number = await world.file(CLEAR)
    assert (await world.look(number)).status == "escalated"
    said = (await world.rig.double.api("GET", f"/repos/{TALLY}/issues/{number}/comments", "ada")).json()
    assert [".rig-agent.yaml:2: stak: unknown key" in one["body"] for one in said] == [True]
    await world.rig.double.push_files(TALLY, "main", {".rig-agent.yaml": "stack: go\n"}, login="ada")
    issue = await world.look(number)
    assert (issue.status, issue.stack) == ("queued", "go")
