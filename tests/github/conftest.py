"""A GitHub double, the GitHub server over HTTP in front of it, and callers of every role."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from rig.doubles.github.client import GitHubDouble
from servers.github.server import part
from servers.github.settings import GitHubSettings
from servers.kit.auth import Role, SigningKey, Verifier
from servers.kit.client import tool_client
from servers.kit.serve import build_app
from tests.callers import Agent, Ledger
from tests.loopback import served

TALLY = "ada/tally"
OTHER = "ada/other"
UNLISTED = "ada/unlisted"
HELD = {(f"{TALLY}#1", 1), (f"{OTHER}#1", 1)}
TOKENS = {
    "conductor": "rig-conductor[bot]",
    "dev": "rig-dev[bot]",
    "review": "rig-review[bot]",
    "ada": "ada",
    "mallory": "mallory",
}
WRITERS = {"rig-conductor[bot]": "write", "rig-dev[bot]": "write", "rig-review[bot]": "write"}
CI = """
on: [pull_request]
jobs:
  tests:
    runs-on: ubuntu-latest
    steps:
      - run: sh check.sh
"""
FILES = {
    "README.md": "# Tally\n",
    "app.py": "".join(f"line_{n} = {n}\n" for n in range(1, 41)),
    "check.sh": "! grep -r broken app.py\n",
    ".github/workflows/ci.yml": CI,
}


def _seed(files: Path) -> dict[str, Any]:
    permissions = WRITERS | {"mallory": "read"}
    repository = {"directory": str(files), "permissions": permissions, "labels": ["agent-ready"]}
    return {
        "identities": [{"token": name, "login": login} for name, login in TOKENS.items()],
        "repositories": [repository | {"name": name} for name in (TALLY, OTHER, UNLISTED)],
    }


@dataclass
class Rig:
    """The GitHub server as others see it."""

    double: GitHubDouble
    url: str
    key: SigningKey
    stack: AsyncExitStack
    ledger: Ledger

    async def caller(self, role: Role, claim: str | None = None, fence: int = 1) -> Agent:
        """Somebody of `role`, holding a claim on the issue `claim`."""
        token = self.key.issue(f"{role}-e", role, timedelta(hours=1))
        client = await self.stack.enter_async_context(
            tool_client(f"{self.url}/mcp/github", lambda: token, attempts=1)
        )
        return Agent(client, {"issue": claim, "fence": fence} if claim else None)

    async def dev(self) -> Agent:
        return await self.caller("dev", f"{TALLY}#1")

    async def reviewer(self) -> Agent:
        return await self.caller("review", f"{TALLY}#1")

    async def service(self) -> Agent:
        return await self.caller("service")

    async def pull(self, branch: str = "feature/one", files: dict[str, str | None] | None = None) -> Any:
        """A pull request of the dev on a branch that changes line 3 of app.py."""
        changed: dict[str, str | None] = {"app.py": FILES["app.py"].replace("line_3 = 3", "line_3 = 33")}
        await self.double.push_files(TALLY, branch, files or changed, login="rig-dev[bot]")
        dev = await self.dev()
        body = "Closes #1"
        return await dev.call(
            "open_pull_request", repository=TALLY, head=branch, base="main", title="feat: one", body=body
        )


Open = Callable[..., Any]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
async def double(tmp_path: Path, files: Path) -> AsyncGenerator[GitHubDouble]:
    async with GitHubDouble.here(tmp_path / "github", seed=_seed(files)) as running:
        await running.file_issue(TALLY, "Count faster", "Please.", token="ada")
        await running.file_issue(OTHER, "Count slower", "Please.", token="ada")
        yield running


@pytest.fixture
def open_rig(double: GitHubDouble, tmp_path: Path) -> Open:
    """Serves with the given settings over those of three identities."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncGenerator[Rig]:
        usual = {
            "github_url": double.url,
            "github_token": "conductor",
            "github_dev_token": "dev",
            "github_review_token": "review",
            "github_timeout_seconds": 2,
            "repositories": [TALLY, OTHER],
        }
        key = SigningKey.load_or_create(tmp_path / "key.pem")
        ledger = Ledger(set(HELD))
        mounted = part(GitHubSettings.load(**(usual | settings)), ledger)
        app = build_app([mounted], Verifier.of(key), "http://127.0.0.1:7700")
        async with served(app) as url, AsyncExitStack() as stack:
            yield Rig(double, url, key, stack, ledger)

    return opened


@pytest.fixture
async def rig(open_rig: Open) -> AsyncGenerator[Rig]:
    async with open_rig() as opened:
        yield opened


NO_TOKENS = {"github_token": None, "github_dev_token": None, "github_review_token": None}


@pytest.fixture(scope="session")
def app_key() -> tuple[str, str]:
    """Private and public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return private, public


def apps(private: str) -> dict[str, Any]:
    """Settings with one App per role and no tokens."""
    settings: dict[str, Any] = dict(NO_TOKENS)
    for number, role in enumerate(("", "dev_", "review_"), start=101):
        settings |= {f"github_{role}app_id": number, f"github_{role}app_private_key": private}
    return settings


async def register(rig: Rig, public: str) -> None:
    """Install those Apps on ada's account."""
    for number, slug in enumerate(("the-conductor", "the-dev", "the-reviewer"), start=101):
        await rig.double.add_app(number, slug, public, "ada")
