"""What may be asked of an issue; `decide` answers each with events or a refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from conductor.events import BudgetScope, Comment, Kind, Priority, Step
from conductor.merge.deployments import Plan, Rollout
from conductor.merge.gate import Policy
from conductor.merge.snapshot import Snapshot


@dataclass(frozen=True)
class Other:
    """Another issue that this one has to do with.

    Attributes:
        key: As owner/repo#12.
        state: `unknown` where GitHub does not show it to the rig.
        ready: Whether it has the label, so that somebody will work on it.
    """

    key: str
    state: Literal["open", "closed", "unknown"]
    ready: bool = True


@dataclass(frozen=True)
class Rival:
    """An open pull request that closes the issue and is not the rig's."""

    key: str
    author: str


@dataclass(frozen=True)
class ObserveIssue:
    """GitHub shows the issue like this.

    Attributes:
        body: The text, with the answers that were given to the rig's questions at its end.
        approver: Who set the label, if they may write; `labeller` whether they may or not.
        labelling: Numbers the settings of the label: a later one has a higher number.
        related: Whether the fields from `sub_issues` on were read; else they say nothing.
        circle: The dependencies that lead from the issue back to itself, both ends named.
        questions: What the text leaves open, by the rig's own rules.
        answered: Whether somebody answered the last questions.
        judge: The character that has to find the issue clear first, if any.
        config_error: What is wrong with `.rig-agent.yaml`; None where it was not read.
    """

    repository_id: int
    repository: str
    number: int
    title: str
    body: str
    url: str
    author: str
    labels: list[str]
    open: bool
    stack: str
    base: str
    approver: str | None
    ready: bool
    labelling: int = 0
    labeller: str = ""
    judge: str = ""
    config_error: str | None = None
    related: bool = False
    sub_issues: list[Other] = field(default_factory=list[Other])
    dependencies: list[Other] = field(default_factory=list[Other])
    circle: list[str] = field(default_factory=list[str])
    rival: Rival | None = None
    questions: list[str] = field(default_factory=list[str])
    answered: bool = False


@dataclass(frozen=True)
class ObservePullRequest:
    """GitHub shows the pull request like this.

    Attributes:
        carried: The head is the known one with the base merged in and nothing else, as git says.
    """

    pull: Snapshot
    policy: Policy = field(default_factory=Policy)
    deploys: list[Step] = field(default_factory=list[Step])
    carried: bool = False


@dataclass(frozen=True)
class Assign:
    """Give the offered work to this agent; `run` names the attempt."""

    agent: str
    role: str
    instance: str
    boot: str
    run: str
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Held:
    """Base of what only the holder of a claim may ask."""

    agent: str
    instance: str
    boot: str
    fence: int


@dataclass(frozen=True)
class StartWork(Held):
    pass


@dataclass(frozen=True)
class ReportBranch(Held):
    branch: str


@dataclass(frozen=True)
class ReportPullRequest(Held):
    """The agent opened its pull request or pushed to it."""

    number: int
    head: str
    url: str = ""


@dataclass(frozen=True)
class ReportGuardBlocked(Held):
    tool: str
    reason: str


@dataclass(frozen=True)
class ReportBudgetExceeded(Held):
    """The next model call could cost more than a budget has left."""

    scope: BudgetScope
    reason: str
    spent: Decimal
    limit: Decimal
    evidence: str = ""


@dataclass(frozen=True)
class Complete(Held):
    summary: str = ""


@dataclass(frozen=True)
class Release(Held):
    """Give the work back; `parked` where something more urgent was asked of the holder."""

    reason: str
    parked: bool = False


@dataclass(frozen=True)
class ReportStuck(Held):
    reason: str
    error_class: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class SubmitReview(Held):
    head: str
    verdict: Literal["approve", "request_changes"]
    summary: str
    comments: list[Comment] = field(default_factory=list[Comment])


@dataclass(frozen=True)
class SubmitReadiness(Held):
    """Whether the issue is clear enough to be worked on; if not, what its author has to answer."""

    ready: bool
    questions: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class ExpireLease:
    """The lease of this fence ran out; `started` is whether a heartbeat ever came."""

    fence: int
    started: bool


@dataclass(frozen=True)
class Park:
    """The holder of this fence was told to make room for something more urgent and did not."""

    fence: int
    reason: str


@dataclass(frozen=True)
class NoticeStandstill:
    """For so many minutes nothing happened: under this fence, or without a holder where it is None."""

    minutes: float
    fence: int | None = None


@dataclass(frozen=True)
class RecordSpend:
    """So many US dollars were spent on the issue since it last got on."""

    usd: float


@dataclass(frozen=True)
class PauseRepository:
    """Failures of one class pile up in the issue's repository."""

    reason: str


@dataclass(frozen=True)
class RecordMerged:
    head: str
    sha: str
    by: str
    deploys: list[Step] = field(default_factory=list[Step])


@dataclass(frozen=True)
class ObserveRollout:
    """GitHub shows this of what was done with the merged commit, and the policy waits for that."""

    rollout: Rollout
    plan: Plan


@dataclass(frozen=True)
class RecordStep:
    """A character looked at the deployment of the merged commit, in the run `run`, and this is what it found."""

    step: Step
    by: str
    passed: bool
    run: str
    evidence: str
    plan: Plan


@dataclass(frozen=True)
class ObserveRepository:
    """The repository is called so now."""

    name: str


@dataclass(frozen=True)
class RecordMergeRefused:
    """GitHub did not merge the pull request at `head`; each reason is a sentence."""

    head: str
    reasons: list[str]


@dataclass(frozen=True)
class RecordEffectFailed:
    """Something that had to be done in the world cannot be done."""

    effect: str
    error: str


@dataclass(frozen=True)
class Approve:
    """A person starts or restarts work on an issue that the rig knows."""

    by: str


@dataclass(frozen=True)
class Prioritize:
    priority: Priority
    by: str


@dataclass(frozen=True)
class Cancel:
    reason: str
    by: str


@dataclass(frozen=True)
class Reassign:
    """Take the work away from its holder and offer it again."""

    reason: str
    by: str


@dataclass(frozen=True)
class DecideGate:
    """A person's answer to a human gate or an escalation."""

    approve: bool
    note: str
    by: str


Command = (
    ObserveIssue | ObservePullRequest | Assign | StartWork | ReportBranch | ReportPullRequest | ReportGuardBlocked
    | ReportBudgetExceeded | Complete | Release | ReportStuck | SubmitReview | SubmitReadiness | ExpireLease
    | RecordMerged | RecordMergeRefused | RecordEffectFailed | Park | NoticeStandstill | RecordSpend | PauseRepository
    | ObserveRollout | RecordStep | ObserveRepository
    | Approve | Prioritize | Cancel | Reassign | DecideGate
)  # fmt: skip
