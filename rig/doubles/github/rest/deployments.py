"""REST: deployments with their statuses, and runs of workflows, which an admin call records."""

from __future__ import annotations

from starlette.routing import Route

from rig.doubles.github import repos as store
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import Refused, not_found, unprocessable
from rig.doubles.github.model import Json, Repository, User, stamp
from rig.doubles.github.rollouts import Deployment, DeploymentStatus, WorkflowRun
from rig.doubles.github.shapes import people, repos
from rig.doubles.github.state import World

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")


async def create_deployment(call: Call) -> Answer:
    creator, ref = call.require("write", "deployments"), call.text("ref", "Deployment")
    sha = await store.resolve(call.repository.path, ref)
    if sha is None:
        raise Refused(422, f"No ref found for: {ref}")
    environment = call.body.get("environment") or "production"
    made = Deployment(call.world.next_id(), sha, ref, environment, creator)
    call.repository.deployments.append(made)
    shown = deployment(call.world, call.repository, made)
    call.world.webhooks.emit(
        call.repository, "deployment", creator, action="created", deployment=shown, workflow=None, workflow_run=None
    )
    return Reply(shown, 201)


async def list_deployments(call: Call) -> Answer:
    wanted = {name: call.query(name) for name in ("sha", "ref", "environment")}
    found = [
        one
        for one in reversed(call.repository.deployments)
        if all(value in ("", getattr(one, name)) for name, value in wanted.items())
    ]
    return call.page(found, lambda one: deployment(call.world, call.repository, one))


def _deployment(call: Call) -> Deployment:
    for one in call.repository.deployments:
        if one.id == int(call.param("id")):
            return one
    raise not_found()


async def create_deployment_status(call: Call) -> Answer:
    creator, one, state = call.require("write", "deployments"), _deployment(call), call.body.get("state")
    if state not in STATES:
        raise unprocessable("state is not included in the list", message="Validation Failed")
    url = call.body.get("log_url") or ""
    made = DeploymentStatus(call.world.next_id(), state, creator, url, call.body.get("environment_url") or "")
    one.statuses.append(made)
    if state == "success":
        _retire_others(call, one)
    shown = deployment_status(call.world, call.repository, one, made)
    call.world.webhooks.emit(
        call.repository,
        "deployment_status",
        creator,
        action="created",
        deployment=deployment(call.world, call.repository, one),
        deployment_status=shown,
        check_run=None,
        workflow=None,
        workflow_run=None,
    )
    return Reply(shown, 201)


def _retire_others(call: Call, newest: Deployment) -> None:
    """An environment has one active deployment: GitHub calls those before it inactive."""
    for one in call.repository.deployments:
        active = one.statuses and one.statuses[-1].state == "success"
        if one is not newest and one.environment == newest.environment and active:
            one.statuses.append(DeploymentStatus(call.world.next_id(), "inactive", newest.creator))


async def list_deployment_statuses(call: Call) -> Answer:
    one = _deployment(call)
    return call.page(one.statuses[::-1], lambda status: deployment_status(call.world, call.repository, one, status))


async def list_workflow_runs(call: Call) -> Answer:
    sha = call.query("head_sha")
    found = [run for run in reversed(call.repository.workflow_runs) if sha in ("", run.head_sha)]
    shapes = {run.id: await workflow_run(call.world, call.repository, run) for run in found}
    reply = call.page(found, lambda run: shapes[run.id])
    return Reply({"total_count": len(found), "workflow_runs": reply.body}, headers=reply.headers)


async def record_run(world: World, repo: Repository, actor: User, name: str, sha: str, conclusion: str) -> Json:
    """A workflow ran at a commit; told like GitHub tells it."""
    made = WorkflowRun(world.next_id(), name, sha, repo.default_branch, actor, "completed", conclusion)
    repo.workflow_runs.append(made)
    shown = await workflow_run(world, repo, made)
    path, url = f".github/workflows/{name.lower()}.yml", f"{repos.api_url(world, repo)}/actions/workflows/1"
    page = f"{world.url}/{repo.full_name}"
    workflow = {
        "id": 1,
        "node_id": "W_1",
        "name": name,
        "path": path,
        "state": "active",
        "created_at": stamp(repo.created_at),
        "updated_at": stamp(repo.created_at),
        "url": url,
        "html_url": f"{page}/blob/main/{path}",
        "badge_url": f"{page}/workflows/{name}/badge.svg",
    }
    world.webhooks.emit(repo, "workflow_run", actor, action="completed", workflow=workflow, workflow_run=shown)
    return shown


def deployment(world: World, repo: Repository, one: Deployment) -> Json:
    url = f"{repos.api_url(world, repo)}/deployments/{one.id}"
    return {
        "url": url,
        "id": one.id,
        "node_id": f"DE_{one.id}",
        "sha": one.sha,
        "ref": one.ref,
        "task": "deploy",
        "payload": {},
        "original_environment": one.environment,
        "environment": one.environment,
        "description": None,
        "creator": people.user(world, one.creator),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "statuses_url": f"{url}/statuses",
        "repository_url": repos.api_url(world, repo),
    }


def deployment_status(world: World, repo: Repository, one: Deployment, status: DeploymentStatus) -> Json:
    url = f"{repos.api_url(world, repo)}/deployments/{one.id}"
    return {
        "url": f"{url}/statuses/{status.id}",
        "id": status.id,
        "node_id": f"DES_{status.id}",
        "state": status.state,
        "creator": people.user(world, status.creator),
        "description": "",
        "environment": one.environment,
        "target_url": status.log_url,
        "log_url": status.log_url,
        "environment_url": status.environment_url,
        "created_at": stamp(status.created_at),
        "updated_at": stamp(status.created_at),
        "deployment_url": url,
        "repository_url": repos.api_url(world, repo),
    }


async def workflow_run(world: World, repo: Repository, run: WorkflowRun) -> Json:
    url = f"{repos.api_url(world, repo)}/actions/runs/{run.id}"
    at = stamp(run.created_at)
    commit = repos.commit(world, repo, await store.commit(repo.path, run.head_sha))["commit"]
    parts = ("jobs", "logs", "cancel", "rerun", "artifacts")
    return {
        "id": run.id,
        "name": run.name,
        "node_id": f"WFR_{run.id}",
        "head_branch": run.head_branch,
        "head_sha": run.head_sha,
        "path": f".github/workflows/{run.name.lower()}.yml",
        "display_title": run.name,
        "run_number": 1,
        "run_attempt": 1,
        "event": "push",
        "status": run.status,
        "conclusion": run.conclusion,
        "workflow_id": 1,
        "check_suite_id": 1,
        "check_suite_node_id": "CS_1",
        "url": url,
        "html_url": f"{world.url}/{repo.full_name}/actions/runs/{run.id}",
        "pull_requests": [],
        "created_at": at,
        "updated_at": at,
        "run_started_at": at,
        "actor": people.user(world, run.actor),
        "triggering_actor": people.user(world, run.actor),
        "referenced_workflows": [],
        **{f"{part}_url": f"{url}/{part}" for part in parts},
        "check_suite_url": f"{repos.api_url(world, repo)}/check-suites/1",
        "workflow_url": f"{repos.api_url(world, repo)}/actions/workflows/1",
        "previous_attempt_url": None,
        "head_commit": {
            "id": run.head_sha,
            "tree_id": commit["tree"]["sha"],
            "message": commit["message"],
            "timestamp": commit["committer"]["date"],
            "author": {name: commit["author"][name] for name in ("name", "email")},
            "committer": {name: commit["committer"][name] for name in ("name", "email")},
        },
        "repository": repos.repository(world, repo),
        "head_repository": repos.repository(world, repo),
    }


REPO = "/repos/{owner}/{repo}"
routes: list[Route] = [
    rest(REPO + "/deployments", "POST", create_deployment),
    rest(REPO + "/deployments", "GET", list_deployments),
    rest(REPO + "/deployments/{id:int}/statuses", "POST", create_deployment_status),
    rest(REPO + "/deployments/{id:int}/statuses", "GET", list_deployment_statuses),
    rest(REPO + "/actions/runs", "GET", list_workflow_runs),
]
