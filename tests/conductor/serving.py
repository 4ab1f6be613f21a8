"""The conductor over HTTP, with callers of every role and GitHub in memory."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from conductor.app import open_desk, part_of
from conductor.merge.snapshot import Snapshot
from conductor.settings import ConductorSettings
from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.client import ToolClient, tool_client
from servers.kit.database import Pool, open_pool
from servers.kit.serve import build_app
from servers.kit.tls import trusted
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import HEAD, REPOSITORY
from tests.loopback import served

SECRET, OLD_SECRET = "sesame", "open-says-me"
WEBHOOK = "/webhooks/github"
WAITS = "SELECT state = 'waiting' FROM deliveries WHERE guid = $1"
NO_META: Mapping[str, Any] = {}
HOUR = timedelta(hours=1)


@dataclass
class Agent:
    """A caller of the conductor's tools."""

    client: ToolClient
    meta: dict[str, Any]

    async def call(self, tool: str, meta: Mapping[str, Any] = NO_META, /, **arguments: Any) -> Any:
        return await self.client.call(tool, arguments, {**self.meta, **meta})

    async def claim(self) -> Any:
        return (await self.call("claim_assignment"))["assignment"]


@dataclass
class Rig:
    """The conductor as others see it."""

    url: str
    key: SigningKey
    github: MemoryGitHub
    pool: Pool
    http: httpx2.AsyncClient
    stack: AsyncExitStack

    def token(self, subject: str, role: Role, lifetime: timedelta = HOUR) -> str:
        return self.key.issue(subject, role, lifetime)

    async def caller(self, role: Role, subject: str = "", boot: str = "1") -> Agent:
        subject = subject or f"{role}-e"
        token = self.token(subject, role)
        url = f"{self.url}/mcp/conductor"
        client = await self.stack.enter_async_context(tool_client(url, lambda: token, attempts=1))
        return Agent(client, {"rig/instance": f"{subject}-1", "rig/boot": boot})

    def bearer(self, role: Role, subject: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(subject or f'{role}-e', role)}"}

    async def deliver(
        self, payload: Any, event: str = "issues", secret: str = SECRET, path: str = WEBHOOK, **headers: str
    ) -> httpx2.Response:
        """Post a signed delivery; `headers` replace or add to what GitHub sends, empty ones are left out."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        usual = {
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": uuid4().hex,
            "x-hub-signature-256": signature(body, secret),
        }
        sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, content=body, headers={k: v for k, v in sent.items() if v})

    async def labelled(self, number: int = 1) -> str:
        """An issue that the rig has learned of through its webhook, as owner/repo#1."""
        self.github.label(number)
        await self.told(about_issue(number), "issues")
        return f"{REPOSITORY}#{number}"

    def show_pull(self, work: Any, **changes: Any) -> None:
        """From now on GitHub shows the pull request of an assignment, as far as GitHub goes ready to be merged."""
        shown = Snapshot(
            repository_id=work["repository_id"],
            repository=work["repository"],
            number=34,
            author="rig-dev[bot]",
            state="open",
            head_sha=HEAD,
            head_ref=work["branch"],
            base_ref=work["base"],
            mergeable="mergeable",
            closes=[work["claim"]["issue"]],
            checks_state="success",
        )
        self.github.show(shown, **changes)

    async def told(self, payload: Any, event: str) -> None:
        """Deliver, and wait until it is worked off."""
        answer = await self.deliver(payload, event)
        assert answer.status_code == 202
        guid = answer.json()["delivery"]
        async with asyncio.timeout(15):
            while await self.pool.fetchval(WAITS, guid):  # noqa: ASYNC110 - another task works it off
                await asyncio.sleep(0.01)


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def about_issue(number: int = 1) -> dict[str, Any]:
    return {"action": "labeled", "repository": {"full_name": REPOSITORY}, "issue": {"number": number}}


def about_pull(number: int = 34) -> dict[str, Any]:
    return {"action": "opened", "repository": {"full_name": REPOSITORY}, "pull_request": {"number": number}}


@asynccontextmanager
async def serving(database_url: str, folder: Path, github: MemoryGitHub, **changes: Any) -> AsyncGenerator[Rig]:
    """A conductor on the database, over loopback HTTP."""
    key_file = folder / "key.pem"
    key = SigningKey.load_or_create(key_file)
    characters = folder / "characters"
    characters.mkdir(exist_ok=True)
    settings: dict[str, Any] = {
        "database_url": database_url,
        "repositories": [REPOSITORY],
        "webhook_secret": SECRET,
        "webhook_secret_old": OLD_SECRET,
        "signing_key": key_file,
        "characters": characters,
        "max_open_issues": 1000,
    }
    loaded = ConductorSettings.load(**settings | changes)
    app = build_app([part_of(lambda: open_desk(loaded, github))], Verifier.of(key), "http://127.0.0.1:7700")
    async with served(app) as url, AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30, verify=trusted()))
        pool = await stack.enter_async_context(open_pool(database_url, size=2))
        yield Rig(url, key, github, pool, http, stack)
