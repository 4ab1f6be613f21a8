"""What one look at a pull request tells: GitHub's facts, what git says of a new head, what the policy waits for."""

from __future__ import annotations

from conductor.github import GitHub
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.issues.lifecycle import CARRYING
from conductor.merge.facts import read_pull
from conductor.merge.gate import Policy
from conductor.merge.rollout import NO_PLAN, plan_of
from conductor.merge.snapshot import Snapshot


async def see_pull(
    github: GitHub, issue: Issue, repository: str, number: int, policy: Policy
) -> c.ObservePullRequest:
    """Read pull request `number` of `issue`; `policy` is the rig's own, for where the repository has none.

    Raises:
        NotFound: GitHub shows no such pull request.
        Unavailable: It changed while it was read, or GitHub does not answer.
    """
    pull, policy = await read_pull(github, issue, repository, number, policy)
    plan = await plan_of(github, repository, pull.base_ref) if pull.state == "merged" else NO_PLAN
    return c.ObservePullRequest(pull, policy, plan.steps, await _is_carried(github, issue, repository, pull))


async def _is_carried(github: GitHub, issue: Issue, repository: str, pull: Snapshot) -> bool:
    known = issue.pull_request
    if known is None or known.head == pull.head_sha or pull.state != "open" or issue.status not in CARRYING:
        return False
    if pull.base_ref != issue.base:  # anybody may have written what comes from there
        return False
    return await github.is_clean_merge(repository, known.head, issue.base, pull.head_sha)
