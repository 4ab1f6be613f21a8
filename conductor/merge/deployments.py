"""What happens to a merged commit: deployments and the workflows that test them, told to the issue; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec

from conductor import events as e
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.issues.lifecycle import TERMINAL

STEPS: tuple[e.Step, ...] = get_args(e.Step)
FAILED_STATES = frozenset({"failure", "error"})
WITHOUT_RESULT = ("skipped", "cancelled", "neutral", "stale")
PASSED, FAILED = "passed", "failed"
BRAKE = "deployment"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the repository's policy waits for after a merge: environments by name, and workflows by name."""

    staging: str | None = None
    smoke: str | None = None
    e2e: str | None = None
    production: str | None = None

    @property
    def steps(self) -> list[e.Step]:
        """The named ones, in the order in which they should happen."""
        return [step for step in STEPS if self.name(step)]

    def name(self, step: e.Step) -> str | None:
        return getattr(self, step)


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment with its newest status; `state` as GitHub calls it: success, failure, in_progress …"""

    id: int
    environment: str
    sha: str
    state: str
    url: str = ""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow run; without a conclusion it is not over."""

    id: int
    attempt: int = 1
    name: str
    sha: str
    conclusion: str | None = None
    url: str = ""


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """All that was done with a commit, alone or within later ones, the newest first."""

    deployments: list[Deployed] = []
    runs: list[Ran] = []


@dataclass(frozen=True)
class Outcome:
    """How a step went; `run` tells one try from the next."""

    passed: bool
    run: str
    url: str


def awaiting(events: list[e.Event], deploys: Sequence[e.Step]) -> list[e.Event]:
    """`events` as they are where a merge is not the end: the issue is done only once its deployment is verified."""
    if not deploys or not any(isinstance(event, e.Merged) for event in events):
        return events
    steps = list(deploys)
    going_on = [event for event in events if not isinstance(event, e.IssueDone)]
    return [msgspec.structs.replace(ev, deploys=steps) if isinstance(ev, e.Merged) else ev for ev in going_on]


def observe_rollout(issue: Issue, rollout: Rollout, plan: Plan) -> list[e.Event]:
    """The events that bring `issue` up to date with what was done with its merged commit.

    A failure asks a person and changes nothing that is deployed; a later try that passes settles it.
    """
    if issue.merged is None or not issue.deploys or issue.status in TERMINAL:
        return []
    events: list[e.Event] = []
    for step in STEPS:
        name = plan.name(step) if step in issue.deploys else None
        outcome = _outcome(step, name, rollout, issue.merged) if name else None
        if name and outcome:
            what = "deployment to" if step in ("staging", "production") else "workflow"
            events += _told(fold(events, issue), step, f"The {what} {name} failed after the merge.", outcome)
    return events + _ended(fold(events, issue), plan)


def record_step(issue: Issue, step: e.Step, by: str, outcome: Outcome, plan: Plan) -> list[e.Event]:
    """The events of what a character found; as above, a failure asks a person and nothing is rolled back."""
    if issue.merged is None or step not in issue.deploys or issue.status in TERMINAL or plan.name(step) != by:
        return []
    events = _told(issue, step, f"{by} saw the step {step} fail after the merge.", outcome)
    return events + _ended(fold(events, issue), plan)


def verified_by(plan: Plan, event: e.DeployedStaging | e.DeployedProduction, names: Iterable[str]) -> list[e.Step]:
    """The steps that characters of these names have to do now that the commit is where `event` says."""
    if isinstance(event, e.DeployedProduction) and plan.staging:
        return []
    steps: tuple[e.Step, ...] = ("smoke", "e2e")
    return [step for step in steps if plan.name(step) in set(names)]


def _outcome(step: e.Step, name: str, rollout: Rollout, sha: str) -> Outcome | None:
    """How a step went: well as soon as one try did, badly only by a try with this very commit."""
    tries = _tries(step, name, rollout)
    passed = [outcome for outcome, _ in tries if outcome.passed]
    failed = [outcome for outcome, at in tries if not outcome.passed and at == sha]
    return passed[0] if passed else failed[-1] if failed else None


def _tries(step: e.Step, name: str, rollout: Rollout) -> list[tuple[Outcome, str]]:
    """Every try that is over, the oldest first, and at which commit."""
    if step in ("staging", "production"):
        deployments = sorted(rollout.deployments, key=lambda d: d.id)
        return [
            (Outcome(d.state == "success", f"deployment {d.id}", d.url), d.sha)
            for d in deployments
            if d.environment.lower() == name.lower() and (d.state == "success" or d.state in FAILED_STATES)
        ]
    return [
        (Outcome(run.conclusion == "success", f"run {run.id}.{run.attempt}", run.url), run.sha)
        for run in sorted(rollout.runs, key=lambda run: (run.id, run.attempt))
        if run.name.lower() == name.lower() and run.conclusion not in (None, *WITHOUT_RESULT)
    ]


def _told(issue: Issue, step: e.Step, failure: str, outcome: Outcome) -> list[e.Event]:
    known = issue.deployed.get(step)
    if known == said(outcome.passed, outcome.run):
        return []
    recorded = _event(step, issue.merged or "", outcome)
    if outcome.passed:
        return [recorded] if recorded else []
    asked = e.Escalated(cause=failure, evidence=outcome.url, brake=BRAKE)
    told = [recorded] if recorded else []
    return told if issue.status == "escalated" else [*told, asked]


def said(passed: bool, run: str) -> str:
    """An outcome as the issue keeps it."""
    return f"{PASSED if passed else FAILED} {run}"


def _event(step: e.Step, sha: str, outcome: Outcome) -> e.Event | None:
    """The fact of an outcome; a deployment that failed is none, it only asks a person."""
    match step, outcome.passed:
        case "staging", True:
            return e.DeployedStaging(sha=sha, url=outcome.url, run=outcome.run)
        case "production", True:
            return e.DeployedProduction(sha=sha, url=outcome.url, run=outcome.run)
        case "smoke", True:
            return e.SmokePassed(sha=sha, run=outcome.run)
        case "smoke", False:
            return e.SmokeFailed(sha=sha, log=outcome.url, run=outcome.run)
        case "e2e", True:
            return e.E2ePassed(sha=sha, run=outcome.run)
        case "e2e", False:
            return e.E2eFailed(sha=sha, log=outcome.url, run=outcome.run)
        case _:
            return None


def _ended(issue: Issue, plan: Plan) -> list[e.Event]:
    """The end, once every step that is still named has passed; where none is named any more, the merge was it."""
    awaited = [step for step in issue.deploys if plan.name(step)]
    passed = all(issue.deployed.get(step, "").startswith(PASSED) for step in awaited)
    return [e.Verified(sha=issue.merged or ""), e.IssueDone()] if passed else []
