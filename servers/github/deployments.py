"""Tools for what happens to a commit after its merge."""

from __future__ import annotations

from itertools import islice

from github import GithubException
from github.Deployment import Deployment
from github.Repository import Repository as GitHubRepository

from servers.github.arguments import Repository, Sha
from servers.github.models import Deployed, Ran, Rollout
from servers.github.toolbox import READERS, AccessDep, tools
from servers.kit.tools import READ_WORLD

NEWEST = 30
LATER = 10
RUNS = 50


@tools.tool(READ_WORLD, READERS)
async def get_rollout(repository: Repository, sha: Sha, access: AccessDep) -> Rollout:
    """Read the deployments and workflow runs of a commit, and of later commits that contain it, the newest first.

    Of later commits only those among the newest 30 deployments are found, at most 10.
    """

    def read(repo: GitHubRepository) -> Rollout:
        newest = list(islice(repo.get_deployments(), NEWEST))
        shas = [sha, *_later(repo, sha, newest)]
        mine = list(islice(repo.get_deployments(sha=sha), NEWEST))
        found = {one.id: one for one in [*newest, *mine] if one.sha in shas}
        ordered = sorted(found.values(), key=lambda one: -one.id)
        return Rollout(
            deployments=[_deployed(one) for one in ordered],
            runs=[ran for each in shas for ran in _runs(repo, each)],
        )

    return await access.reading(repository).run(read)


def _later(repo: GitHubRepository, sha: str, deployments: list[Deployment]) -> list[str]:
    others = dict.fromkeys(one.sha for one in deployments if one.sha != sha)
    return [other for other in islice(others, LATER) if _contains(repo, other, sha)]


def _contains(repo: GitHubRepository, later: str, sha: str) -> bool:
    try:
        return repo.compare(sha, later).status in ("ahead", "identical")
    except GithubException as error:
        if error.status in (404, 422):  # one of the two is no commit of the repository any more
            return False
        raise


def _deployed(deployment: Deployment) -> Deployed:
    """GitHub calls an environment's earlier deployments inactive; what counts is how they went."""
    status = next((one for one in deployment.get_statuses() if one.state != "inactive"), None)
    return Deployed(
        id=deployment.id,
        environment=deployment.environment,
        sha=deployment.sha,
        state=status.state if status else "pending",
        url=(status.environment_url or status.target_url or "") if status else "",
    )


def _runs(repo: GitHubRepository, sha: str) -> list[Ran]:
    return [
        Ran(
            id=run.id,
            attempt=run.run_attempt,
            name=run.name,
            sha=run.head_sha,
            conclusion=run.conclusion,
            url=run.html_url,
        )
        for run in islice(repo.get_workflow_runs(head_sha=sha), RUNS)
    ]
