"""Several conductors on one database, as in a cluster, with agents that need no model."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from rig.demo import follow
from rig.demo.stage import free_ports
from rig.doubles.github.client import GitHubDouble
from servers.kit.auth import SigningKey
from servers.kit.client import ToolClient, tool_client
from servers.kit.errors import RigError
from tests.loopback import ready

REPOSITORY = "ada/tally"
HOOK_SECRET = "sesame"
DEV, REVIEW, CONDUCTOR = "rig-dev[bot]", "rig-review[bot]", "rig-conductor[bot]"
WORKFLOW = """\
on: [pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: test -e README.md
"""
CHARACTERS = Path(__file__).parents[2] / "characters"


@dataclass
class Replica:
    """One conductor process and what its live feed told."""

    url: str
    process: asyncio.subprocess.Process
    log: Path
    heard: list[str] = field(default_factory=list[str])

    def kill(self) -> None:
        self.process.kill()


@dataclass
class Cluster:
    """The replicas, the double and a key for everybody's tokens."""

    github: GitHubDouble
    key: SigningKey
    replicas: list[Replica]

    def token(self, subject: str, role: Literal["dev", "review", "person"]) -> str:
        return self.key.issue(subject, role, timedelta(hours=1))

    async def work(self, role: Literal["dev", "review"], number: int) -> None:
        """Claim and do work for ever, at one replica and, when that is gone, at the next."""
        subject = f"{role}-e{'-python' if role == 'dev' else ''}"
        meta = {"rig/instance": f"{subject}-{number}", "rig/boot": "1"}
        while True:
            replica = self.replicas[number % len(self.replicas)]
            url = f"{replica.url}/mcp/conductor"
            with suppress(RigError):
                async with tool_client(
                    url, lambda: self.token(subject, role), meta=lambda: meta, attempts=1
                ) as client:
                    while True:
                        await self._turn(client)
            number += 1
            await asyncio.sleep(0.1)

    async def _turn(self, client: ToolClient) -> None:
        work = (await client.call("claim_assignment", {"wait_seconds": 2}))["assignment"]
        if work is None:
            return
        if work["kind"] == "review":
            head = work["pull_request"]["head_sha"]
            verdict: dict[str, Any] = {"verdict": "approve", "summary": "Good.", "comments": []}
            await client.call("submit_review", {"claim": work["claim"], "head_sha": head, **verdict})
            return
        claim = {"claim": work["claim"]}
        await client.call("report_event", {**claim, "type": "WORK_STARTED"})
        pull = await self._pushed(work)
        data = {"number": pull["number"], "url": pull["html_url"], "head_sha": pull["head"]["sha"]}
        await client.call("report_event", {**claim, "type": "PR_CREATED", "data": data})
        await client.call("complete_assignment", claim)

    async def _pushed(self, work: dict[str, Any]) -> dict[str, Any]:
        number, branch = work["issue_number"], work["branch"]
        await self.github.push_files(REPOSITORY, branch, {f"{number}.txt": "done\n"}, login=DEV)
        path = f"/repos/{REPOSITORY}/pulls"
        body = {"title": f"feat: {number}", "head": branch, "base": "main", "body": f"Closes #{number}"}
        opened = await self.github.api("POST", path, DEV, body)
        if opened.status_code == 422:  # an earlier try of the same attempt opened it
            return (await self.github.api("GET", f"{path}?head=ada:{branch}", DEV)).json()[0]
        return opened.json()


@asynccontextmanager
async def clustered(folder: Path, database_url: str, count: int) -> AsyncGenerator[Cluster]:
    """A double, a github server and `count` conductors; GitHub tells each of them."""
    ports = free_ports(count + 1)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    key = SigningKey.load_or_create(folder / "key.pem")
    async with AsyncExitStack() as stack:
        github = await stack.enter_async_context(GitHubDouble.start(folder / "github", seed=_seed(urls[:-1])))
        shared = {
            "RIG_DATABASE_URL": database_url,
            "RIG_SIGNING_KEY": str(folder / "key.pem"),
            "RIG_CHARACTERS": str(CHARACTERS),
            "RIG_GITHUB_SERVER_URL": f"{urls[-1]}/mcp/github",
            "RIG_REPOSITORIES": REPOSITORY,
            "RIG_WEBHOOK_SECRET": HOOK_SECRET,
            "RIG_MAX_OPEN_ISSUES": "20",
        }
        for_github = {
            "RIG_CONDUCTOR_URL": urls[0],
            "RIG_TOKEN": key.issue("github", "service", timedelta(hours=1)),
            "RIG_GITHUB_URL": github.url,
            "RIG_GITHUB_TOKEN": CONDUCTOR,
            "RIG_GITHUB_REVIEW_TOKEN": REVIEW,
            "RIG_REPOSITORIES": REPOSITORY,
        }
        logs = [folder / f"{port}.log" for port in ports]
        starting = [
            _served("conductor", log, RIG_PORT=str(port), **shared)
            for port, log in zip(ports[:-1], logs, strict=False)
        ]
        starting.append(_served("github", logs[-1], RIG_PORT=str(ports[-1]), **for_github))
        processes = [await stack.enter_async_context(process) for process in starting]
        await asyncio.gather(*(ready(url) for url in urls))
        replicas = [Replica(*each) for each in zip(urls[:-1], processes[:-1], logs[:-1], strict=True)]
        yield Cluster(github, key, replicas)


async def listen(replica: Replica) -> None:
    """Take in what the pages of this replica are told, for ever."""
    async for event in follow.events(replica.url):
        replica.heard.append(event["type"])


@asynccontextmanager
async def _served(server: str, log: Path, **environment: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "rig", "serve", server),
            env={"PATH": os.environ["PATH"], "RIG_CONFIG": os.devnull, **environment},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _seed(hooked: list[str]) -> dict[str, Any]:
    repository = {
        "name": REPOSITORY,
        "files": {"README.md": "# Tally\n", ".github/workflows/ci.yml": WORKFLOW},
        "permissions": {CONDUCTOR: "write", DEV: "write", REVIEW: "write"},
        "labels": ["agent-ready"],
    }
    accounts = [{"token": login, "login": login} for login in ("ada", DEV, REVIEW, CONDUCTOR)]
    shared = {"secret": HOOK_SECRET, "repository": REPOSITORY, "events": ["*"]}
    hooks = [{"url": f"{url}/webhooks/github", **shared} for url in hooked]
    return {"identities": accounts, "repositories": [repository], "hooks": hooks}
