"""Effects that ask a character by name, or say what none could: scores, deployments, incidents."""

from __future__ import annotations

import msgspec

from conductor.dispatch.chores import Chore
from conductor.effects.hands import Hands
from conductor.effects.lanes import Due
from conductor.events import DeployedProduction, DeployedStaging
from conductor.issues.issue import Issue
from conductor.issues.rubric import CRITERIA
from conductor.merge.deployments import verified_by
from conductor.merge.rollout import plan_of
from servers.kit.logs import redact


async def ask_judge(hands: Hands, due: Due, issue: Issue) -> None:
    """Have merged work scored, where the settings name somebody who does; nothing waits for it."""
    if hands.chores is None or not hands.judge:
        return
    rubric = "\n".join(f"{name}: {words}" for name, words in CRITERIA.items())
    body = f"{issue.body}\n\nRubric, each from 1 (bad) to 5 (nothing to wish for):\n{rubric}"
    key = f"judge:{issue.stream}:{due.data['sha']}"
    await hands.chores.offer(
        Chore("judge", hands.judge, key, issue.title, body, issue.repository, issue.key, due.data)
    )


async def ask_verifier(hands: Hands, due: Due, issue: Issue) -> None:
    """Have a deployment verified by the character that the repository's policy names, if it names one."""
    if hands.chores is None:
        return
    names = [one.name for one in hands.chores.catalogue.values() if "deploy" in one.work]
    kind = DeployedStaging if due.data["type"] == DeployedStaging.type else DeployedProduction
    event = kind(sha=due.data["sha"], url=due.data["url"], run=due.data["run"])
    plan = await plan_of(hands.github, issue.repository, issue.base)
    for step in verified_by(plan, event, names):
        who = plan.name(step)
        if who is None or step not in issue.deploys:
            continue
        data = {**due.data, "step": step, "plan": msgspec.to_builtins(plan)}
        body = f"{issue.body}\n\nStep: {step}. Deployed: {event.url or 'no address is known'}. Commit: {event.sha}."
        key = f"deploy:{issue.stream}:{step}:{event.run}"
        await hands.chores.offer(Chore("deploy", who, key, issue.title, body, issue.repository, issue.key, data))


async def open_issue(hands: Hands, due: Due, issue: Issue) -> None:
    """Open an issue in the rig's own words; nobody starts on it before a person says so."""
    said = due.data
    await hands.github.create_issue(
        said["repository"], redact(said["title"]), redact(said["body"]), said["labels"], said["key"]
    )
