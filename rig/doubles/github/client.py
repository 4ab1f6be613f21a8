"""A handle on a running double, for tests and the demo."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from rig.doubles.github.model import Json, Role
from rig.doubles.process import child
from servers.kit.tls import trusted


class GitHubDouble:
    """Speaks to the double: its REST and GraphQL APIs as somebody, and its admin API."""

    def __init__(self, url: str, *, world: Any = None) -> None:
        self.url = url
        self.world = world
        self.http = httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False, verify=trusted())

    @classmethod
    @asynccontextmanager
    async def start(cls, data: Path, *, seed: Json | None = None, port: int = 0) -> AsyncGenerator[GitHubDouble]:
        """A double in a process of its own, gone with this one."""
        options = ["--port", str(port), "--data-dir", str(data), *_seed_file(data, seed)]
        async with child("rig.doubles.github", *options) as (url, _):
            yield cls(url)

    @classmethod
    @asynccontextmanager
    async def here(cls, data: Path, *, seed: Json | None = None) -> AsyncGenerator[GitHubDouble]:
        """A double in this process; `world` is its state."""
        from rig.doubles.github.app import running
        from rig.doubles.github.seeds import Seed

        async with running(data, 0, Seed.model_validate(seed or {})) as double:
            yield cls(double.url, world=double.world)

    async def admin(self, method: str, path: str, body: Json | None = None) -> Any:
        answer = await self.http.request(method, f"/_double{path}", json=body)
        if answer.is_error:
            raise ValueError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    async def api(
        self, method: str, path: str, token: str | None = None, body: Any = None, **headers: str
    ) -> httpx2.Response:
        """One REST call, as the owner of the token."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return await self.http.request(method, f"/api/v3{path}", json=body, headers=headers)

    async def graphql(self, query: str, variables: Json | None = None, token: str | None = None) -> Json:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables or {}}
        return (await self.http.post("/api/graphql", json=body, headers=headers)).json()

    async def add_identity(self, token: str, login: str) -> None:
        await self.admin("POST", "/identities", {"token": token, "login": login})

    async def seed_repository(
        self,
        name: str,
        *,
        directory: Path | None = None,
        files: dict[str, str] | None = None,
        permissions: dict[str, Role] | None = None,
        labels: Sequence[str] = (),
        private: bool = False,
    ) -> Json:
        """A repository with one real commit; answers its id, path, clone_url and refs."""
        seed: Json = {"name": name, "private": private, "labels": list(labels)}
        seed |= {"permissions": permissions or {}, "files": files or {}}
        if directory is not None:
            seed["directory"] = str(directory)
        return await self.admin("POST", "/repositories", seed)

    async def grant(self, repository: str, login: str, role: Role) -> None:
        await self.admin("POST", f"/repositories/{repository}/permissions", {"login": login, "role": role})

    async def deploy(self, repository: str, sha: str, environment: str, state: str, token: str) -> int:
        """A deployment with one status; its number."""
        where = f"/repos/{repository}/deployments"
        made = await self.api("POST", where, token, {"ref": sha, "environment": environment})
        number = made.json()["id"]
        await self.api("POST", f"{where}/{number}/statuses", token, {"state": state, "log_url": f"{self.url}/log"})
        return number

    async def ran(self, repository: str, name: str, sha: str, conclusion: str, login: str) -> None:
        """A workflow that ran at a commit."""
        body = {"name": name, "sha": sha, "conclusion": conclusion, "login": login}
        await self.admin("POST", f"/repositories/{repository}/workflow-runs", body)

    async def team(self, name: str, members: Sequence[str]) -> None:
        """The members of the team org/slug."""
        await self.admin("POST", "/teams", {"name": name, "members": list(members)})

    async def public_email(self, login: str, email: str) -> None:
        await self.admin("POST", "/emails", {"login": login, "email": email})

    async def protect(self, repository: str, **protection: Any) -> None:
        """The fields of `seeds.SeedProtection`."""
        await self.admin("POST", f"/repositories/{repository}/protection", protection)

    async def add_webhook(
        self,
        url: str,
        secret: str,
        *,
        repository: str | None = None,
        app_id: int | None = None,
        events: Sequence[str] | None = None,
        ping: bool = False,
    ) -> int:
        body: Json = {"url": url, "secret": secret, "repository": repository, "app_id": app_id, "ping": ping}
        if events is not None:
            body["events"] = list(events)
        return (await self.admin("POST", "/hooks", body))["id"]

    async def add_app(self, id: int, slug: str, public_key: str, owner: str) -> int:
        """An App installed on its owner's account; answers the installation's id."""
        body = {"id": id, "slug": slug, "public_key": public_key, "owner": owner, "installed_on": [owner]}
        return (await self.admin("POST", "/apps", body))["installations"][owner]

    async def file_issue(
        self, repository: str, title: str, body: str = "", *, token: str, labels: Sequence[str] = ()
    ) -> int:
        wanted = {"title": title, "body": body, "labels": list(labels)}
        answer = await self.api("POST", f"/repos/{repository}/issues", token, wanted)
        return answer.raise_for_status().json()["number"]

    async def label_issue(self, repository: str, number: int, *labels: str, token: str) -> None:
        path = f"/repos/{repository}/issues/{number}/labels"
        (await self.api("POST", path, token, {"labels": list(labels)})).raise_for_status()

    async def unlabel_issue(self, repository: str, number: int, label: str, *, token: str) -> None:
        path = f"/repos/{repository}/issues/{number}/labels/{quote(label, safe='')}"
        (await self.api("DELETE", path, token)).raise_for_status()

    async def push_files(
        self, repository: str, branch: str, files: dict[str, str | None], *, login: str, message: str = "Change files"
    ) -> str:
        """A commit on a branch as if that account had pushed it; answers its SHA."""
        body: Json = {"branch": branch, "login": login, "message": message, "files": files}
        return (await self.admin("POST", f"/repositories/{repository}/pushes", body))["sha"]

    async def fault(self, kind: str, path: str = "*", *, method: str = "*", **more: Any) -> None:
        """status, after, rate_limit, secondary_limit, slow, cut, cut_after; with count, skip, status, seconds."""
        await self.admin("POST", "/faults", {"kind": kind, "path": path, "method": method, **more})

    async def mischief(self, kind: str, event: str = "*", **more: Any) -> None:
        """drop, vanish, duplicate, reorder, delay for the next deliveries; with count, seconds."""
        await self.admin("POST", "/mischief", {"kind": kind, "event": event, **more})

    async def clear_faults(self) -> None:
        await self.admin("DELETE", "/faults")

    async def settle(self, timeout: float = 60) -> None:
        """Wait until CI has run and every webhook was sent."""
        await self.admin("POST", f"/settle?timeout={timeout}")

    async def state(self) -> Json:
        return await self.admin("GET", "/state")

    async def requests(self) -> list[Json]:
        return await self.admin("GET", "/requests")

    async def deliveries(self) -> list[Json]:
        return await self.admin("GET", "/deliveries")

    def clone_url(self, repository: str, token: str | None = None) -> str:
        scheme, _, host = self.url.partition("://")
        credential = f"x-access-token:{token}@" if token else ""
        return f"{scheme}://{credential}{host}/{repository}.git"


def _seed_file(data: Path, seed: Json | None) -> list[str]:
    data.mkdir(parents=True, exist_ok=True)
    if seed is None:
        return []
    (data / "seed.json").write_text(json.dumps(seed))
    return ["--seed", str(data / "seed.json")]
