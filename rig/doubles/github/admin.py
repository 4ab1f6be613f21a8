"""The double's own API under `/_double/`: for tests and the demo, from this machine only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rig.doubles.github import reviews, seeds
from rig.doubles.github.errors import Refused
from rig.doubles.github.faults import Fault
from rig.doubles.github.model import Json, PullRequest, Repository, Role
from rig.doubles.github.rest.apps import delivery_item
from rig.doubles.github.rest.deployments import record_run
from rig.doubles.github.state import World
from rig.doubles.github.webhooks import Mischief

LOOPBACK = ("127.0.0.1", "::1", "testclient")
Handler = Callable[[World, Request, Json], Awaitable[Any]]


class Grant(seeds.Strict):
    login: str
    role: Role


class Team(seeds.Strict):
    name: str
    members: list[str]


class Email(seeds.Strict):
    login: str
    email: str


class Workflow(seeds.Strict):
    """A workflow's run at a commit, and how it ended."""

    name: str
    sha: str
    conclusion: str
    login: str


class FilePush(seeds.Strict):
    """Files written to a branch by an account; None removes a file."""

    branch: str
    login: str
    message: str = "Change files"
    files: dict[str, str | None]


def admin(path: str, method: str, handler: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        if request.client is None or request.client.host not in LOOPBACK:
            return JSONResponse({"message": "only from this machine"}, 403)
        try:
            body: Json = await request.json() if await request.body() else {}
            return JSONResponse(await handler(request.app.state.world, request, body))
        except (ValidationError, ValueError, TypeError) as problem:
            return JSONResponse({"message": str(problem)}, 422)
        except Refused as refusal:
            return JSONResponse(refusal.body(), refusal.status)

    return Route(f"/_double{path}", endpoint, methods=[method])


def _repository(world: World, request: Request) -> Repository:
    return world.repository(request.path_params["owner"], request.path_params["repo"])


async def health(world: World, request: Request, body: Json) -> Json:
    return {"ok": True, "url": world.url, "repositories": len(world.repositories)}


async def plant(world: World, request: Request, body: Json) -> Json:
    await seeds.plant(world, seeds.Seed.model_validate(body))
    return await health(world, request, body)


async def add_identity(world: World, request: Request, body: Json) -> Json:
    token = seeds.add_identity(world, seeds.Identity.model_validate(body))
    return {"login": token.user.login, "id": token.user.id}


async def add_repository(world: World, request: Request, body: Json) -> Json:
    repo = await seeds.add_repository(world, seeds.SeedRepository.model_validate(body))
    return describe_repository(world, repo)


async def add_app(world: World, request: Request, body: Json) -> Json:
    made = seeds.add_app(world, seeds.SeedApp.model_validate(body))
    return {"installations": {each.account.login: each.id for each in made}}


async def add_hook(world: World, request: Request, body: Json) -> Json:
    return {"id": seeds.add_hook(world, seeds.SeedHook.model_validate(body)).id}


async def grant(world: World, request: Request, body: Json) -> Json:
    wanted = Grant.model_validate(body)
    world.grant(_repository(world, request), wanted.login, wanted.role)
    return body


async def run_workflow(world: World, request: Request, body: Json) -> Json:
    wanted = Workflow.model_validate(body)
    actor, repo = world.user(wanted.login), _repository(world, request)
    return await record_run(world, repo, actor, wanted.name, wanted.sha, wanted.conclusion)


async def add_team(world: World, request: Request, body: Json) -> Json:
    wanted = Team.model_validate(body)
    world.teams[wanted.name.lower()] = [world.user(login) for login in wanted.members]
    return body


async def publish_email(world: World, request: Request, body: Json) -> Json:
    wanted = Email.model_validate(body)
    world.user(wanted.login).public_email = wanted.email
    return body


async def protect(world: World, request: Request, body: Json) -> Json:
    seeds.protect(_repository(world, request), seeds.SeedProtection.model_validate(body))
    return body


async def push(world: World, request: Request, body: Json) -> Json:
    wanted = FilePush.model_validate(body)
    repo = _repository(world, request)
    sha = await seeds.push_files(world, repo, wanted.branch, wanted.login, wanted.message, wanted.files)
    return {"sha": sha}


async def add_fault(world: World, request: Request, body: Json) -> Json:
    world.faults.active.append(Fault(**body))
    return body


async def add_mischief(world: World, request: Request, body: Json) -> Json:
    world.webhooks.mischief.append(Mischief(**body))
    return body


async def list_faults(world: World, request: Request, body: Json) -> Json:
    return {
        "faults": [asdict(fault) for fault in world.faults.active],
        "mischief": [asdict(mischief) for mischief in world.webhooks.mischief],
    }


async def clear_faults(world: World, request: Request, body: Json) -> Json:
    world.faults.active.clear()
    world.webhooks.mischief.clear()
    return {}


async def settle(world: World, request: Request, body: Json) -> Json:
    """Wait until CI has run, every webhook was sent, and nothing is left to do."""
    async with asyncio.timeout(float(request.query_params.get("timeout", "60"))):
        while True:
            await world.ci.settle()
            await world.webhooks.settle()
            if not world.background:
                return {"settled": True}
            await asyncio.wait(world.background)


async def requests(world: World, request: Request, body: Json) -> list[Json]:
    return list(world.requests)


async def deliveries(world: World, request: Request, body: Json) -> list[Json]:
    found = [(hook, delivery) for hook in world.hooks for delivery in hook.deliveries]
    return [delivery_item(d, hook) | {"hook_id": hook.id, "url": hook.url} for hook, d in found]


async def state(world: World, request: Request, body: Json) -> Json:
    repositories = {r.full_name: describe_repository(world, r) for r in world.repositories.values()}
    return {"url": world.url, "repositories": repositories}


def describe_repository(world: World, repo: Repository) -> Json:
    return {
        "id": repo.id,
        "full_name": repo.full_name,
        "path": str(repo.path),
        "clone_url": f"{world.url}/{repo.full_name}.git",
        "refs": repo.refs,
        "permissions": repo.permissions,
        "issues": {
            str(issue.number): {
                "title": issue.title,
                "state": issue.state,
                "labels": [label.name for label in issue.labels],
                "comments": [{"user": c.user.login, "body": c.body} for c in issue.comments],
            }
            for issue in repo.issues.values()
            if issue.pull is None
        },
        "pulls": {str(pull.number): _describe_pull(world, repo, pull) for pull in repo.pulls},
        "checks": [
            {"name": r.name, "sha": r.head_sha, "status": r.status, "conclusion": r.conclusion} for r in repo.runs
        ],
        "statuses": [
            {"context": s.context, "sha": s.sha, "state": s.state, "description": s.description}
            for s in repo.statuses
        ],
    }


def _describe_pull(world: World, repo: Repository, pull: PullRequest) -> Json:
    return {
        "title": pull.issue.title,
        "author": pull.issue.user.login,
        "state": "merged" if pull.merged_at else pull.issue.state,
        "head": pull.head_ref,
        "head_sha": pull.head_sha,
        "base": pull.base_ref,
        "merge_sha": pull.merge_sha,
        "mergeable": pull.mergeable,
        "labels": [label.name for label in pull.issue.labels],
        "decision": reviews.decision(world, repo, pull),
        "reviews": [{"user": r.user.login, "state": r.state, "sha": r.commit_id} for r in pull.reviews],
        "threads": [
            {"path": t.root.path, "line": t.root.line, "resolved": t.resolved_by is not None, "outdated": t.outdated}
            for t in pull.threads
        ],
    }


REPO = "/repositories/{owner}/{repo}"
routes: list[Route] = [
    admin("/health", "GET", health),
    admin("/state", "GET", state),
    admin("/requests", "GET", requests),
    admin("/deliveries", "GET", deliveries),
    admin("/seed", "POST", plant),
    admin("/identities", "POST", add_identity),
    admin("/repositories", "POST", add_repository),
    admin(REPO + "/permissions", "POST", grant),
    admin(REPO + "/protection", "POST", protect),
    admin(REPO + "/pushes", "POST", push),
    admin("/apps", "POST", add_app),
    admin(REPO + "/workflow-runs", "POST", run_workflow),
    admin("/teams", "POST", add_team),
    admin("/emails", "POST", publish_email),
    admin("/hooks", "POST", add_hook),
    admin("/faults", "GET", list_faults),
    admin("/faults", "POST", add_fault),
    admin("/faults", "DELETE", clear_faults),
    admin("/mischief", "POST", add_mischief),
    admin("/settle", "POST", settle),
]
