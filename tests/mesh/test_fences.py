"""Agents that stand still past their lease and then go on: what they write late counts for nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from rig.demo.follow import Event
from rig.demo.stage import REPOSITORY
from servers.kit.auth import SigningKey
from servers.kit.client import tool_client
from servers.kit.errors import Fenced
from tests.mesh.watching import Watch, watched

pytestmark = pytest.mark.timeout(300)
LEASE = {"RIG_LEASE_SECONDS": "5", "RIG_LEASE_GRACE_SECONDS": "1", "RIG_MAX_OPEN_ISSUES": "9"}
OVER = "the claim is over; nothing more is written"


class Frozen:
    """The processes that stand still, and the runs that they had begun."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.groups: list[int] = []
        self.runs: list[str] = []
        self.claims: list[Event] = []

    async def freeze(self, issue: str, kind: str) -> None:
        """Stop the process that holds `issue`, with everything that it started."""
        event = await self._watch.find("ISSUE_ASSIGNED" if kind != "review" else "REVIEW_ASSIGNED", issue)
        group = self._watch.pid(event["data"]["instance"])
        assert group is not None
        if kind == "review":
            await self._watch.logged(step="working", run=event["data"]["run"])
        os.killpg(group, signal.SIGSTOP)
        self.groups.append(group)
        self.runs.append(event["data"].get("run", ""))
        self.claims.append(event)

    def thaw(self) -> None:
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGCONT)


async def file(watch: Watch, place: int) -> str:
    return f"{REPOSITORY}#{await watch.stage.file_issue(place)}"


async def slow_model(watch: Watch, issue: str, kind: str) -> None:
    """Have the first answer about `issue` take a while."""
    opening = rf"Assignment: {kind}\nRepository: {REPOSITORY}\nIssue: {issue}\n"
    await watch.stage.model.fault("slow", matching=opening, seconds=2)


async def test_whoever_stood_still_past_its_lease_writes_nothing_more() -> None:
    async with watched(agents=5, **LEASE) as watch:
        frozen = Frozen(watch)
        try:
            await watch.stage.github.fault("slow", "*/git-receive-pack", method="POST", seconds=2)
            pull = await file(watch, 5)
            await watch.fault_met("*/git-receive-pack")
            await frozen.freeze(pull, "implement")  # its push arrives while it cannot open a pull request
            first = int(pull.partition("#")[2])
            answer, push, review = (f"{REPOSITORY}#{first + number}" for number in (1, 2, 3))
            await slow_model(watch, answer, "implement")
            await slow_model(watch, review, "review")
            assert await file(watch, 1) == answer
            await watch.find("BRANCH_CREATED", answer)
            await frozen.freeze(answer, "implement")
            assert await file(watch, 2) == push
            await watch.logged(step="checking", issue=push)
            await frozen.freeze(push, "implement")
            assert await file(watch, 8) == review
            await frozen.freeze(review, "review")
            issues = {pull, answer, push, review}
            await watch.all_done(issues)
            before = await written(watch)
            for claimed in frozen.claims:
                await writes_too_late(watch, claimed)
            assert await written(watch) == before
        finally:
            frozen.thaw()
        for issue in issues:
            await watch.logged(event=OVER, issue=issue)
        assert await written(watch) == before
        for issue in issues:
            merged_under_its_fence(watch, issue, frozen.runs)


async def writes_too_late(watch: Watch, claimed: Event) -> None:
    """A memory and a comment under the claim that the agent believes to hold are refused."""
    issue, held = claimed["issue"], claimed["data"]
    key = SigningKey.load_or_create(Path(watch.stage.rig.said["token_file"]).with_name("signing-key.pem"))
    token = key.issue(held["agent"], "review" if claimed["type"] == "REVIEW_ASSIGNED" else "dev", timedelta(hours=1))
    about = {"rig/claim": {"issue": issue, "fence": held["fence"]}} | {
        f"rig/{name}": held[name] for name in ("instance", "boot")
    }
    comment = {"repository": REPOSITORY, "number": int(issue.partition("#")[2]), "body": "Late.", "key": "late"}
    memory = {"content": f"{issue} was written too late.", "kind": "learning", "repo": REPOSITORY}
    for server, tool, arguments in (("github", "comment_on_issue", comment), ("memory", "write_memory", memory)):
        async with tool_client(f"{watch.stage.url}/mcp/{server}", lambda: token) as client:
            with pytest.raises(Fenced, match=r"[Ss]top"):
                await client.call(tool, arguments, about)


async def written(watch: Watch) -> tuple[object, ...]:
    """Everything that agents may write on GitHub, and what counts in the log."""
    seen = (await watch.stage.github.state())["repositories"][REPOSITORY]
    kinds = Counter(kind for kind in watch.kinds() if kind not in ("ISSUE_UNASSIGNED", "MEMORY_READ"))
    branches = git(watch, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
    talk = [[one[name] for name in ("comments", "state")] for one in seen["issues"].values()]
    pulls = [[one[name] for name in ("reviews", "threads", "state")] for one in seen["pulls"].values()]
    return branches, talk, pulls, kinds


def merged_under_its_fence(watch: Watch, issue: str, late: list[str]) -> None:
    """One lapse, one pull request, one merge, and nothing of the late run in it."""
    events = [event for event in watch.events if event["issue"] == issue]
    kinds = Counter(event["type"] for event in events)
    assert [kinds[kind] for kind in ("LEASE_EXPIRED", "PR_CREATED", "MERGED")] == [1, 1, 1], watch.story()
    (merged,) = (event["data"] for event in events if event["type"] == "MERGED")
    made = git(
        watch, "log", "--format=%(trailers:key=Rig-Run,valueonly)", merged["head"], "--not", f"{merged['sha']}^"
    )
    assert made.split()
    assert not set(made.split()) & set(late)


def git(watch: Watch, *arguments: str) -> str:
    trusted = ("-c", f"safe.directory={watch.stage.bare}")
    command = ["git", *trusted, *arguments]
    return subprocess.run(command, cwd=watch.stage.bare, check=True, capture_output=True, text=True).stdout
