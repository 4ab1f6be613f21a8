"""What the double's tests work with: a working copy and a receiver of webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rig.doubles.github import GitHubDouble
from rig.doubles.github.plumbing import Output, git
from rig.doubles.listening import address, bind, serving

Json = dict[str, Any]
REPO = "ada/demo"
ADA, MALLORY, DEV, REVIEW = "token-ada", "token-mallory", "token-dev", "token-review"
SECRET = "a secret of the hook"
WORKFLOW = """\
name: CI
on:
  pull_request:
  merge_group:
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Unit tests
        run: python -I check.py
"""
CHECK = (
    "import pathlib, sys\nsource = pathlib.Path('calc.py').read_text()\nprint(source)\nsys.exit('+' not in source)\n"
)
FILES: dict[str, str] = {
    "calc.py": "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2\n",
    "check.py": CHECK,
    "README.md": "# Calculator\n",
    "docs/usage.md": "Use it.\n",
    ".github/workflows/ci.yml": WORKFLOW,
}
FIXED = FILES["calc.py"].replace("a - b", "a + b")
SEED: Json = {
    "identities": [
        {"token": ADA, "login": "ada"},
        {"token": MALLORY, "login": "mallory"},
        {"token": DEV, "login": "rig-dev[bot]"},
        {"token": REVIEW, "login": "rig-review[bot]"},
    ],
    "repositories": [
        {
            "name": REPO,
            "files": FILES,
            "labels": ["agent-ready"],
            "permissions": {"rig-dev[bot]": "write", "rig-review[bot]": "write", "mallory": "read"},
        }
    ],
}


@dataclass(frozen=True)
class Copy:
    """A clone of a repository, in somebody's name."""

    folder: Path

    async def git(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> Output:
        who = ("-c", "user.name=Dev-E", "-c", "user.email=dev-e@rig.example")
        return await git(self.folder, *who, *arguments, expect=expect)

    async def commit(self, message: str, **files: str) -> str:
        """Write files (`calc_py` is calc.py), commit, and answer the SHA."""
        for name, text in files.items():
            (self.folder / name.replace("_", ".")).write_text(text)
        await self.git("add", "-A")
        await self.git("commit", "-q", "-m", message)
        return await self.head()

    async def push(self, *options: str) -> None:
        await self.git("push", "-q", *options, "origin", "HEAD")

    async def head(self) -> str:
        return (await self.git("rev-parse", "HEAD")).text.strip()


async def clone(url: str, folder: Path) -> Copy:
    await git(folder.parent, "clone", "-q", url, folder.name)
    return Copy(folder)


async def pull_request(github: GitHubDouble, copy: Copy, branch: str = "fix", text: str = FIXED) -> int:
    """Push a change and open a pull request for it."""
    await copy.git("checkout", "-q", "--no-track", "-b", branch, "origin/main")
    await copy.commit(f"fix: {branch}\n\nRig-Issue: {REPO}#1", calc_py=text)
    await copy.push()
    body = {"title": f"fix: {branch}", "head": branch, "base": "main", "body": "Closes #1"}
    answer = await github.api("POST", f"/repos/{REPO}/pulls", DEV, body)
    assert answer.status_code == 201, answer.text
    return answer.json()["number"]


@dataclass
class Receiver:
    """Takes webhooks, checks their signatures, and keeps them in order."""

    url: str
    taken: list[tuple[str, str, Json]] = field(default_factory=list[tuple[str, str, Json]])
    answers: list[int] = field(default_factory=list[int])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        raw = await request.body()
        digest = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        assert request.headers["x-hub-signature-256"] == f"sha256={digest}"
        self.taken.append((request.headers["x-github-event"], request.headers["x-github-delivery"], json.loads(raw)))
        self.arrived.set()
        return Response(status_code=self.answers.pop(0) if self.answers else 202)

    def names(self) -> list[str]:
        """`event.action`, in order of arrival."""
        return [f"{event}.{payload['action']}" if "action" in payload else event for event, _, payload in self.taken]

    def payload(self, name: str) -> Json:
        return self.taken[self.names().index(name)][2]


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    with bind() as listener:
        receiver = Receiver(f"{address(listener)}/hook")
        app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
        async with serving(app, listener):
            yield receiver
