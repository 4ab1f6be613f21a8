"""Statuses, check runs and check suites as JSON."""

from __future__ import annotations

from rig.doubles.github.model import CheckRun, CheckSuite, Json, Repository, Status, stamp
from rig.doubles.github.shapes import people
from rig.doubles.github.shapes.repos import api_url
from rig.doubles.github.state import World


def status(world: World, repo: Repository, one: Status) -> Json:
    return {
        "url": f"{api_url(world, repo)}/statuses/{one.sha}",
        "avatar_url": f"{world.url}/avatars/u/{one.creator.id}",
        "id": one.id,
        "node_id": f"SC_{one.id}",
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "creator": people.user(world, one.creator),
    }


def pulls_of(world: World, repo: Repository, sha: str) -> list[Json]:
    """The open pull requests of a commit, in the short form that checks carry."""
    base = api_url(world, repo)
    own = {"id": repo.id, "url": base, "name": repo.name}
    return [
        {
            "url": f"{base}/pulls/{pull.number}",
            "id": pull.id,
            "number": pull.number,
            "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": own},
            "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": own},
        }
        for pull in repo.pulls
        if pull.is_open and pull.head_sha == sha
    ]


def run(world: World, repo: Repository, one: CheckRun) -> Json:
    url = f"{api_url(world, repo)}/check-runs/{one.id}"
    page = f"{world.url}/{repo.full_name}/runs/{one.id}"
    return {
        "id": one.id,
        "name": one.name,
        "node_id": f"CR_{one.id}",
        "head_sha": one.head_sha,
        "external_id": one.external_id,
        "url": url,
        "html_url": page,
        "details_url": one.details_url or page,
        "status": one.status,
        "conclusion": one.conclusion,
        "started_at": stamp(one.started_at),
        "completed_at": stamp(one.completed_at),
        "output": {
            "title": one.title,
            "summary": one.summary,
            "text": one.text,
            "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": one.suite.id},
        "app": people.app(world, one.suite.app),
        "pull_requests": pulls_of(world, repo, one.head_sha),
    }


def suite(world: World, repo: Repository, one: CheckSuite) -> Json:
    url = f"{api_url(world, repo)}/check-suites/{one.id}"
    return {
        "id": one.id,
        "node_id": f"CS_{one.id}",
        "head_branch": one.head_branch,
        "head_sha": one.head_sha,
        "status": one.status,
        "conclusion": one.conclusion,
        "url": url,
        "before": one.before,
        "after": one.head_sha,
        "pull_requests": pulls_of(world, repo, one.head_sha),
        "app": people.app(world, one.app),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "latest_check_runs_count": sum(r.suite is one for r in repo.runs),
        "check_runs_url": f"{url}/check-runs",
    }
