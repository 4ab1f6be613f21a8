"""Looks at what was done with merged commits, where the repository's policy waits for it."""

from __future__ import annotations

from conductor.github import GitHub
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.issue import Issue
from conductor.merge.deployments import Plan
from conductor.store.writer import Store
from servers.kit.errors import InvalidInput
from servers.kit.repository import FILE, parse

NO_PLAN = Plan()


async def plan_of(github: GitHub, repository: str, base: str) -> Plan:
    """What the repository's policy on its base branch waits for after a merge; nothing where it cannot be read."""
    try:
        deployment = parse(await github.file(repository, FILE, base)).policy.deployment
    except InvalidInput:
        return NO_PLAN
    return Plan(**deployment.model_dump()) if deployment else NO_PLAN


async def look_at_rollout(store: Store, github: GitHub, stream: str) -> Issue:
    """Tell the issue what was done with its merged commit; the issue afterwards."""
    _, issue = await store.load(stream)
    if issue.merged is None or not issue.deploys:
        return issue
    plan = await plan_of(github, issue.repository, issue.base)
    rollout = await github.rollout(issue.repository, issue.merged)
    return (await handle(store, stream, c.ObserveRollout(rollout, plan), "github")).issue
