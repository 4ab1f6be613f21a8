"""A rig with its own characters in one process: the real conductor and github server, GitHub's double, a script."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2

from agents.run import run_agent
from agents.settings import AgentSettings
from conductor.app import part as conductor_part
from conductor.settings import ConductorSettings
from rig.doubles.anthropic.app import create_app
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, Turn, UnexpectedInput, replay
from rig.doubles.github.client import GitHubDouble
from rig.embedded.compose import ServiceToken
from servers.github.server import part as github_part
from servers.github.settings import GitHubSettings
from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.character import Character, load_all
from servers.kit.claims import ConductorClaims
from servers.kit.client import ToolClient, tool_client
from servers.kit.database import Pool
from servers.kit.serve import build_app
from tests.agents.memories import Memories
from tests.agents.memories import part as memory_part
from tests.agents.stage import ROOT, served

CATALOGUE: Final = load_all(ROOT / "characters")
REPOSITORY: Final = "ada/tally"
SECRET: Final = "sesame"
OPENING: Final = re.compile(r"^Assignment: (\w+)$", re.MULTILINE)
STAFF: Final = ("conductor", "dev", "review")
FILES: Final[dict[str, str]] = {
    "AGENTS.md": "Tests live in checks.py.\n",
    "app.py": "def double(n):\n    return n + n + 1\n",
    "checks.py": "import app\nassert app.double(2) == 4, app.double(2)\nprint('OK')\n",
    ".github/workflows/ci.yml": "on: [pull_request]\njobs:\n  test:\n    runs-on: ubuntu-latest\n"
    "    steps: [{uses: actions/checkout@v4}, {run: python3 checks.py}]\n",
}


def repository(name: str = REPOSITORY, policy: str = "stack: python", **files: str | None) -> dict[str, Any]:
    """A repository of ada's with a bug in it, for the seed."""
    said = f"{policy}\ntestCommand: python3 checks.py\n" if "testCommand" not in policy else policy
    known = {**FILES, ".rig-agent.yaml": said, **files}
    staff = {f"rig-{who}[bot]": "write" for who in STAFF}
    kept = {path: text for path, text in known.items() if text is not None}
    return {"name": name, "files": kept, "permissions": staff}


@dataclass
class House:
    """The rig as its people and GitHub see it.

    Attributes:
        plays: What the model says, by kind of work.
        openings: What it was told first, by kind of work.
    """

    github: GitHubDouble
    key: SigningKey
    url: str
    pool: Pool
    folder: Path
    stack: AsyncExitStack
    plays: dict[str, Callable[[], Play]] = field(default_factory=dict[str, Callable[[], Play]])
    openings: dict[str, str] = field(default_factory=dict[str, str])

    def answer(self, request: MessagesRequest) -> Turn:
        """The model's next turn in its newest run, of which rework goes on with the conversation before."""
        request = request.since(OPENING)
        said = OPENING.search(request.opening)
        kind = said[1] if said else ""
        if kind not in self.plays:
            raise UnexpectedInput(f"one of {sorted(self.plays)}", request.opening)
        self.openings[kind] = request.opening
        return replay(request, self.plays[kind]())

    async def ask(self, tool: str, **arguments: Any) -> Any:
        """Call the conductor as ada."""
        return await (await self.caller("ada", "person")).call(tool, arguments)

    async def caller(self, subject: str, role: Role) -> ToolClient:
        token = self.key.issue(subject, role, timedelta(hours=1))
        return await self.stack.enter_async_context(tool_client(f"{self.url}/mcp/conductor", lambda: token))

    @asynccontextmanager
    async def at_work(self, *names: str) -> AsyncGenerator[None]:
        """These characters work until the end of the block."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for name in names:
                character = CATALOGUE[name]
                quick = character.model_copy(update={"heartbeat_seconds": 1})
                group.create_task(run_agent(quick, self._settings(character), stop))
            yield
            stop.set()

    def _settings(self, character: Character) -> AgentSettings:
        said: Mapping[str, Any] = {
            "conductor_url": self.url,
            "token": self.key.issue(character.name, character.role, timedelta(hours=1)),
            "instance": f"{character.name}-1",
            "data_dir": self.folder / "data",
            "idle_exit_seconds": 0,
            "patience_seconds": 5,
            "model_patience_seconds": 5,
            "anthropic_api_key": "sk-ant-double",
        }
        return AgentSettings.load(**said)

    async def file(self, title: str = "double() is off by one", where: str = REPOSITORY) -> int:
        """An issue that ada wants solved."""
        body = "double(2) gives 5. It has to give 4: `app.double(2) == 4`."
        return await self.github.file_issue(where, title, body, token="ada", labels=["agent-ready"])

    async def report(self, incident: Mapping[str, Any]) -> int:
        """Monitoring reports an incident; the status of the answer."""
        body = json.dumps(incident).encode()
        signed = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        async with httpx2.AsyncClient(base_url=self.url) as http:
            sent = await http.post("/webhooks/incident", content=body, headers={"x-rig-signature-256": signed})
        return sent.status_code

    async def event(self, kind: str, times: int = 1) -> dict[str, Any]:
        """The last event of this type, once there are so many."""
        async with asyncio.timeout(90):
            while len(found := await self.events(kind)) < times:  # noqa: ASYNC110 - the database holds it
                await asyncio.sleep(0.05)
        return found[-1]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("SELECT data FROM events WHERE type = $1 ORDER BY position", kind)
        return [row["data"] for row in rows]

    async def types(self) -> list[str]:
        """Every type of event so far, each once, in order of its first."""
        rows = await self.pool.fetch("SELECT type FROM events GROUP BY type ORDER BY min(position)")
        return [row["type"] for row in rows]

    async def seen(self, path: str) -> Any:
        """What GitHub shows ada."""
        return (await self.github.api("GET", path, "ada")).raise_for_status().json()


@asynccontextmanager
async def house(
    folder: Path, database_url: str, pool: Pool, repositories: list[dict[str, Any]], **settings: Any
) -> AsyncGenerator[House]:
    """A rig on the database for these repositories."""
    key = SigningKey.load_or_create(folder / "key.pem")
    tokens = [{"token": who, "login": f"rig-{who}[bot]"} for who in STAFF]
    seed = {"identities": [*tokens, {"token": "ada", "login": "ada"}], "repositories": repositories}
    async with AsyncExitStack() as stack:
        github = await stack.enter_async_context(GitHubDouble.here(folder / "github", seed=seed))
        names = [one["name"] for one in repositories]
        hub = GitHubSettings.load(
            github_url=github.url, github_token="conductor", github_dev_token="dev",
            github_review_token="review", repositories=names,
        )  # fmt: skip
        home = House(github, key, "", pool, folder, stack)

        def compose(url: str) -> Any:
            claims = ConductorClaims(ToolClient(f"{url}/mcp/conductor", ServiceToken(key, "github")))
            known: dict[str, Any] = {
                "database_url": database_url,
                "repositories": names,
                "github_server_url": f"{url}/mcp/github",
                "signing_key": folder / "key.pem",
                "characters": ROOT / "characters",
                "webhook_secret": SECRET,
                "incident_secret": SECRET,
                "watch_seconds": 600,
            }
            loaded = ConductorSettings.load(**known | settings)
            rig = conductor_part(loaded, ServiceToken(key, "conductor"))
            parts = [rig, github_part(hub, claims), memory_part(Memories())]
            return build_app(parts, Verifier.of(key), url)

        home.url = await stack.enter_async_context(served(compose))
        for name in names:
            await github.add_webhook(f"{home.url}/webhooks/github", SECRET, repository=name)
        yield home


@asynccontextmanager
async def scripted(home: House) -> AsyncGenerator[str]:
    """The model's API, as `home` has it answer; its address."""
    async with served(lambda _: create_app(home.answer)) as url:
        yield url
