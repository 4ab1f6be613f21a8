"""The merge gate: a pure function over facts that were read at one head SHA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from conductor.comments import STATUS_CONTEXT
from conductor.issues.issue import Issue
from conductor.merge import owners
from conductor.merge.human_gates import Trigger, shown, triggers
from conductor.merge.policy import Policy
from conductor.merge.snapshot import Changes, Review, Snapshot

__all__ = ["Human", "Merge", "Policy", "Refuse", "Verdict", "Wait", "decided_on_github", "gate"]
CODE_OWNERS = "code_owners"


@dataclass(frozen=True)
class Merge:
    """Every gate is open at this head."""

    head: str


@dataclass(frozen=True)
class Wait:
    """Not yet; each reason is a sentence for people, and with `people` only people can end the waiting."""

    head: str
    reasons: list[str]
    people: bool = False


@dataclass(frozen=True)
class Human:
    """A person has to let it through; `evidence` is what a decision holds for."""

    head: str
    reasons: list[str]
    evidence: list[str] = field(default_factory=list[str])
    people: bool = True


@dataclass(frozen=True)
class Refuse:
    """Never in this form."""

    head: str
    reasons: list[str]
    people: bool = True


Verdict = Merge | Wait | Human | Refuse


@dataclass(frozen=True)
class _Reason:
    words: str
    people: bool = False


Reasons = Iterator[_Reason]


def gate(issue: Issue, pull: Snapshot, policy: Policy) -> Verdict:
    """Whether the pull request of `issue` may be merged at the head that `pull` describes.

    What a person has to decide comes before everything that is still to be waited for, so that people see it early.
    """
    if pull.state != "open":
        return Refuse(pull.head_sha, [f"The pull request is {pull.state}."])
    asked = _undecided(issue, pull, policy)
    if asked:
        evidence = [digest for trigger in asked for digest in trigger.evidence]
        return Human(pull.head_sha, [trigger.says for trigger in asked], evidence)
    reasons = [reason for check in _CHECKS for reason in check(issue, pull, policy)]
    if reasons:
        return Wait(pull.head_sha, [one.words for one in reasons], any(one.people for one in reasons))
    return Merge(pull.head_sha)


def decided_on_github(issue: Issue, pull: Snapshot) -> Review | None:
    """A person's verdict at this head that answers the human gate."""
    for review in pull.reviews:
        if review.head_sha not in _heads(issue, pull) or not _by_person(review, pull):
            continue
        approves = review.state == "approved" and review.author.lower() not in authors_of(issue, pull)
        if approves or review.state == "changes_requested":
            return review
    return None


def authors_of(issue: Issue, pull: Snapshot) -> set[str]:
    """Everybody whose work the change is, lower-cased: none of them may approve it."""
    return {login.lower() for login in (pull.author, *pull.written_by, *issue.authors)}


def _undecided(issue: Issue, pull: Snapshot, policy: Policy) -> list[Trigger]:
    if pull.changes is None:
        return []
    found = triggers(pull.changes, policy) + _unowned(issue, pull, policy, pull.changes)
    return [trigger for trigger in found if not set(trigger.evidence) <= set(issue.human_approved)]


def _heads(issue: Issue, pull: Snapshot) -> set[str]:
    """The head, and those before it that the rig itself only merged the base into."""
    ours = issue.pull_request
    carried = issue.carried if ours is not None and ours.head == pull.head_sha else []
    return {pull.head_sha, *carried}


def _base(issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    """The policy is read at the base, so another one could have been written by whoever wrote the change."""
    if pull.base_ref != issue.base:
        words = f"It is against {pull.base_ref}; the work is for {issue.base}. Set its base back to that."
        yield _Reason(words, people=True)


def _changes(_issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    if pull.changes is None:
        yield _Reason("The changed files have not been read yet.")
    elif pull.changes.mistake:
        yield _Reason(f"{pull.changes.mistake} Correct it on {pull.base_ref}.", people=True)


def _ci(_issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    missing = _missing(pull)
    match pull.checks_state:
        case "success":
            pass
        case "none" if not missing:
            yield _Reason("No check has reported yet; without CI nothing merges.")
        case "none":
            pass
        case "pending":
            yield _Reason(f"CI is running: {_names(pull, 'pending')}.")
        case "failure":
            yield _Reason(f"CI failed: {_names(pull, 'failure')}.")
    for name in missing:
        yield _Reason(f"The required check `{name}` has not reported yet.")


def _missing(pull: Snapshot) -> list[str]:
    """Required checks that never reported, but for the gate's own, which waits for us."""
    reported = {check.name for check in pull.checks}
    return [name for name in pull.required_checks if name not in reported and name != STATUS_CONTEXT]


def _names(pull: Snapshot, state: str) -> str:
    return ", ".join(dict.fromkeys(check.name for check in pull.checks if check.state == state)) or "a check"


def _by_person(review: Review, pull: Snapshot) -> bool:
    """Whether a person said it: neither the rig, an App (a workflow of the branch, say) nor the author."""
    return not review.ours and not review.bot and review.author.lower() != pull.author.lower()


def _approved_by(issue: Issue, pull: Snapshot) -> list[str]:
    """The people who approved on GitHub at this head and wrote nothing of it."""
    heads, authors = _heads(issue, pull), authors_of(issue, pull)
    approvals = [one for one in pull.reviews if one.state == "approved" and one.head_sha in heads]
    return [one.author for one in approvals if _by_person(one, pull) and one.author.lower() not in authors]


def _approval(issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    ours = issue.pull_request
    by_rig = ours is not None and ours.head == pull.head_sha and ours.approved_by not in (None, *issue.authors)
    if not by_rig and not _approved_by(issue, pull):
        yield _Reason(f"Nobody but its author has approved {pull.head_sha[:7]} yet.")


def _approvals_demanded(_issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    """GitHub counts approvals itself, of any head that it has not dismissed."""
    approvals = [r for r in pull.reviews if r.state == "approved" and r.author.lower() != pull.author.lower()]
    count, wanted = len(approvals), pull.required_approvals
    if count >= wanted:
        return
    noun = "approval" if wanted == 1 else "approvals"
    fix = "Somebody with write permission has to approve."
    if pull.self_review:
        fix = "GitHub takes none from the author's account: set RIG_GITHUB_REVIEW_TOKEN to another one."
    yield _Reason(f"{pull.base_ref} demands {wanted} {noun} on GitHub and there are {count}. {fix}", people=True)


def _objections(_issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    objecting = [r for r in pull.reviews if r.state == "changes_requested" and r.author != pull.author]
    for author in dict.fromkeys(review.author for review in objecting):
        people = any(not review.ours for review in objecting if review.author == author)
        ends = " Their next review ends that." if people else ""
        yield _Reason(f"{author} asked for changes.{ends}", people)


def _code_owners(issue: Issue, pull: Snapshot, policy: Policy) -> Reasons:
    for one in _without_owner(issue, pull, policy):
        if one.known:
            yield _Reason(f"{_paths(one)} an approval by {_or(one.owners)} (CODEOWNERS).", people=True)


def _unowned(issue: Issue, pull: Snapshot, policy: Policy, changes: Changes) -> list[Trigger]:
    """Owned paths none of whose owners can be told or may approve: any person may decide then."""
    found = [one for one in _without_owner(issue, pull, policy) if not one.known]
    return [Trigger(CODE_OWNERS, one.paths[0], _nobody(one), _evidence(one, changes)) for one in found]


def _nobody(one: owners.Missing) -> str:
    why = "GitHub does not tell the rig who that is" if one.unknown else "only its authors could give it"
    return f"{_paths(one)} an approval by {_or(one.owners)} (CODEOWNERS), and {why}."


def _evidence(one: owners.Missing, changes: Changes) -> tuple[str, ...]:
    blobs = {file.path: file.blob for file in changes.files}
    return tuple(f"owned {path} {blobs.get(path, '')}" for path in one.paths)


def _without_owner(issue: Issue, pull: Snapshot, policy: Policy) -> list[owners.Missing]:
    changes, ignored = pull.changes, policy.code_owners == "ignore" and not pull.requires_code_owners
    if changes is None or ignored or not changes.code_owners:
        return []
    paths = tuple(path for file in changes.files for path in (file.path, file.previous_path) if path)
    owned = owners.wanted(changes.code_owners, paths)
    return owners.missing(owned, changes.accounts, _approved_by(issue, pull), authors_of(issue, pull))


def _paths(one: owners.Missing) -> str:
    first, more = shown(one.paths[0]), len(one.paths) - 1
    if not more:
        return f"`{first}` needs"
    return f"`{first}` and {more} more need"


def _or(names: tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _closes(issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    if issue.key.lower() not in {key.lower() for key in pull.closes}:
        yield _Reason(f"The description does not say `Closes #{issue.number}`; add that line.")


def _threads(_issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    open_ones = [thread for thread in pull.threads if not thread.resolved]
    count = len(open_ones)
    if count:
        words = f"{count} review thread{'s are' if count > 1 else ' is'} not resolved."
        yield _Reason(words, any(not thread.ours for thread in open_ones))


def _labels(_issue: Issue, pull: Snapshot, policy: Policy) -> Reasons:
    labels = {label.lower() for label in pull.labels}
    for label in policy.hold_labels:
        if label.lower() in labels:
            yield _Reason(f"The label `{label}` holds it; remove it to go on.", people=True)
    for label in policy.manual_labels:
        if label.lower() in labels:
            words = f"The label `{label}` leaves the merge to a person: merge it on GitHub, or remove the label."
            yield _Reason(words, people=True)


def _draft(_issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    if pull.draft:
        yield _Reason("The pull request is a draft; mark it ready for review.", people=True)


def _conflict(_issue: Issue, pull: Snapshot, _policy: Policy) -> Reasons:
    match pull.mergeable:
        case "mergeable":
            return
        case "conflicting":
            yield _Reason(f"It conflicts with {pull.base_ref}.")
        case "unknown":
            yield _Reason("GitHub has not yet said whether it can be merged.")


_CHECKS: tuple[Callable[[Issue, Snapshot, Policy], Reasons], ...] = (
    _base, _ci, _approval, _approvals_demanded, _objections, _code_owners, _closes, _threads, _labels, _draft,
    _conflict, _changes,
)  # fmt: skip
