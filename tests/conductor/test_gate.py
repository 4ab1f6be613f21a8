"""Every gate for itself, and that a merge implies all of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.github import without_our_status
from conductor.issues.issue import Issue
from conductor.merge.gate import Human, Merge, Policy, Refuse, Verdict, Wait, gate
from conductor.merge.snapshot import Change, Changes, Check, Review, Snapshot, Thread
from tests.conductor import histories as h
from tests.conductor.samples import HEAD, NEXT_HEAD, pull_request

ISSUE = h.ready()
UNRESOLVED = Thread(id="1", resolved=False)
OWNED = Changes(files=[Change(path="a.py", blob="b1", patch="@@\n+x = 1")], code_owners="*.py @Grace")
OWNER_WANTED = "`a.py` needs an approval by @grace (CODEOWNERS)."
AUTH = Change(path="auth/login.py", patch="@@\n+x = 1", additions=1, blob="b1")


def judged(approved: bool = True, policy: Policy | None = None, **changes: Any) -> Verdict:
    issue = ISSUE if approved else h.green()
    return gate(issue, pull_request(issue, **changes), policy or Policy())


def review(author: str = "ada", state: str = "approved", head: str = HEAD) -> Review:
    return Review(author=author, state=state, head_sha=head)


def test_every_gate_open_merges_at_the_head() -> None:
    assert judged() == Merge(HEAD)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checks": [], "checks_state": "none"}, "No check has reported yet; without CI nothing merges."),
        ({"checks": [Check(name="test", state="pending")], "checks_state": "pending"}, "CI is running: test."),
        ({"checks": [Check(name="lint", state="failure")], "checks_state": "failure"}, "CI failed: lint."),
        ({"checks": [], "checks_state": "failure"}, "CI failed: a check."),
        ({"head_sha": NEXT_HEAD}, "Nobody but its author has approved bbbbbbb yet."),
        ({"closes": []}, "The description does not say `Closes #1`; add that line."),
        ({"closes": ["acme/tally#2", "other/tally#1"]}, "The description does not say `Closes #1`; add that line."),
        ({"threads": [UNRESOLVED]}, "1 review thread is not resolved."),
        ({"threads": [UNRESOLVED, UNRESOLVED]}, "2 review threads are not resolved."),
        ({"labels": ["Do-Not-Merge"]}, "The label `do-not-merge` holds it; remove it to go on."),
        (
            {"labels": ["manual-merge"]},
            "The label `manual-merge` leaves the merge to a person: merge it on GitHub, or remove the label.",
        ),
        ({"draft": True}, "The pull request is a draft; mark it ready for review."),
        ({"mergeable": "conflicting"}, "It conflicts with main."),
        ({"mergeable": "unknown"}, "GitHub has not yet said whether it can be merged."),
        ({"changes": None}, "The changed files have not been read yet."),
        ({"base_ref": "mine"}, "It is against mine; the work is for main. Set its base back to that."),
        ({"changes": Changes(mistake="`x` is odd.")}, "`x` is odd. Correct it on main."),
        ({"required_checks": ["test", "build"]}, "The required check `build` has not reported yet."),
        (
            {"checks": [], "checks_state": "none", "required_checks": ["build"]},
            "The required check `build` has not reported yet.",
        ),
        (
            {"required_approvals": 2, "reviews": [review()]},
            "main demands 2 approvals on GitHub and there are 1. Somebody with write permission has to approve.",
        ),
        (
            {"required_approvals": 1, "self_review": True},
            (
                "main demands 1 approval on GitHub and there are 0. GitHub takes none from the author's account: set "
                "RIG_GITHUB_REVIEW_TOKEN to another one."
            ),
        ),
        ({"changes": OWNED}, OWNER_WANTED),
        ({"changes": OWNED, "reviews": [review("grace", head=NEXT_HEAD)]}, OWNER_WANTED),
        ({"changes": OWNED, "reviews": [review("ada")]}, OWNER_WANTED),
        ({"reviews": [review(state="changes_requested")]}, "ada asked for changes. Their next review ends that."),
    ],
)
def test_a_closed_gate_says_why(changes: dict[str, Any], words: str) -> None:
    verdict = judged(**changes)
    assert isinstance(verdict, Wait)
    assert verdict.reasons == [words]


@pytest.mark.parametrize("state", ["closed", "merged"])
def test_only_an_open_pull_request_is_merged(state: str) -> None:
    assert judged(state=state) == Refuse(HEAD, [f"The pull request is {state}."])


def test_the_issue_is_closed_whatever_the_case_of_its_name() -> None:
    assert judged(closes=["ACME/Tally#1"]) == Merge(HEAD)


@pytest.mark.parametrize(
    ("one", "opens"),
    [
        (review(), True),
        (review(head=NEXT_HEAD), False),
        (review(author="rig-dev[bot]"), False),
        (review(state="commented"), False),
        (msgspec.structs.replace(review("github-actions[bot]"), bot=True), False),
    ],
    ids=["at this head", "at another head", "by the author", "no approval", "by a workflow of the branch itself"],
)
def test_a_persons_approval_counts_at_this_head_unless_it_is_the_authors(one: Review, opens: bool) -> None:
    assert isinstance(judged(approved=False, reviews=[one]), Merge) == opens


def test_an_approval_by_an_author_of_the_change_does_not_count() -> None:
    assert ISSUE.pull_request
    forged = msgspec.structs.replace(ISSUE.pull_request, approved_by=h.DEV)
    issue = msgspec.structs.replace(ISSUE, pull_request=forged)
    assert isinstance(gate(issue, pull_request(issue), Policy()), Wait)


@pytest.mark.parametrize("by", [{"authors": ["Ada"]}, {"written_by": ["Ada"]}], ids=["by claim", "by commit"])
def test_whoever_wrote_a_part_approves_neither_it_nor_the_files_that_they_own(by: dict[str, Any]) -> None:
    authors, written_by = by.get("authors", []), by.get("written_by", [])

    def seen(before: Issue, owners: str) -> Verdict:
        issue = msgspec.structs.replace(before, authors=[*before.authors, *authors])
        changes = msgspec.structs.replace(OWNED, code_owners=f"* {owners}" if owners else "")
        pull = pull_request(issue, written_by=written_by, changes=changes, reviews=[review("ada")])
        return gate(issue, pull, Policy())

    waits = seen(ISSUE, "@ada @grace")
    assert waits == Wait(HEAD, ["`a.py` needs an approval by @ada or @grace (CODEOWNERS)."], people=True)
    assert isinstance(seen(ISSUE, "@ada"), Human)
    assert seen(h.green(), "") == Wait(HEAD, ["Nobody but its author has approved aaaaaaa yet."])


def test_what_the_rig_posted_on_github_is_no_second_approval() -> None:
    posted = msgspec.structs.replace(review("rig-review[bot]"), ours=True)
    assert isinstance(judged(approved=False, reviews=[posted]), Wait)
    assert judged(required_approvals=1, reviews=[posted]) == Merge(HEAD)


def test_an_owners_account_that_the_rig_reviews_with_does_not_approve_for_the_owner() -> None:
    posted = msgspec.structs.replace(review("grace"), ours=True)
    assert judged(changes=OWNED, reviews=[posted]) == Wait(HEAD, [OWNER_WANTED], people=True)


def test_the_gates_own_status_neither_passes_nor_holds_it() -> None:
    assert judged(required_checks=["test", "rig/merge-gate"]) == Merge(HEAD)


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ([], "none"),
        ([Check(name="test", state="skipped")], "none"),
        ([Check(name="test", state="skipped"), Check(name="lint", state="success")], "success"),
        ([Check(name="test", state="pending")], "pending"),
        ([Check(name="rig/merge\u2010gate", kind="status", state="failure")], "failure"),
    ],
)
def test_neither_the_rigs_own_status_nor_what_was_skipped_is_ci(others: list[Check], state: str) -> None:
    own = Check(name="rig/merge-gate", kind="status", state="success")
    seen = without_our_status(pull_request(ISSUE, checks=[own, *others], checks_state="success"))
    assert (seen.checks, seen.checks_state) == (others, state)


def test_a_check_and_a_status_of_one_name_must_both_pass() -> None:
    both = [Check(name="test", state="success"), Check(name="test", kind="status", state="pending")]
    assert judged(checks=both, checks_state="pending") == Wait(HEAD, ["CI is running: test."])


def test_an_owner_or_the_policy_lets_owned_files_through() -> None:
    assert judged(changes=OWNED, reviews=[review("Grace")]) == Merge(HEAD)
    ignoring = Policy(code_owners="ignore")
    assert judged(policy=ignoring, changes=OWNED) == Merge(HEAD)
    assert isinstance(judged(policy=ignoring, changes=OWNED, requires_code_owners=True), Wait)


def test_both_paths_of_a_renamed_file_have_owners() -> None:
    moved = Change(path="b.txt", previous_path="a.py", status="renamed")
    assert isinstance(judged(changes=msgspec.structs.replace(OWNED, files=[moved])), Wait)


def test_a_team_approves_by_its_members_and_one_that_is_hidden_leaves_it_to_any_person() -> None:
    team = msgspec.structs.replace(OWNED, code_owners="* @acme/core", accounts={"@acme/core": ["grace"]})
    assert isinstance(judged(changes=team), Wait)
    assert judged(changes=team, reviews=[review("grace")]) == Merge(HEAD)
    hidden = judged(changes=msgspec.structs.replace(team, accounts={"@acme/core": None}))
    assert isinstance(hidden, Human)
    assert hidden.reasons == [
        "`a.py` needs an approval by @acme/core (CODEOWNERS), and GitHub does not tell the rig who that is."
    ]


def test_files_that_the_author_alone_owns_are_left_to_any_person() -> None:
    verdict = judged(changes=msgspec.structs.replace(OWNED, code_owners="* @RIG-DEV"), author="rig-dev")
    assert isinstance(verdict, Human)
    assert "only its authors could give it" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("changes", "people"),
    [
        ({"labels": ["do-not-merge"]}, True),
        ({"draft": True}, True),
        ({"changes": OWNED}, True),
        ({"threads": [UNRESOLVED]}, True),
        ({"threads": [msgspec.structs.replace(UNRESOLVED, ours=True)]}, False),
        ({"checks": [], "checks_state": "none"}, False),
        ({"mergeable": "unknown"}, False),
        ({"required_approvals": 1}, True),
    ],
)
def test_it_says_whether_only_people_can_end_the_waiting(changes: dict[str, Any], people: bool) -> None:
    verdict = judged(**changes)
    assert isinstance(verdict, Wait)
    assert verdict.people == people


def test_what_a_person_decides_comes_before_what_is_waited_for() -> None:
    verdict = judged(changes=Changes(files=[AUTH]), draft=True)
    assert isinstance(verdict, Human)
    assert verdict.reasons == ["`auth/login.py` changes authentication or sessions (path `**/auth/`)."]
    approved = msgspec.structs.replace(ISSUE, human_approved=verdict.evidence)
    assert gate(approved, pull_request(ISSUE, changes=Changes(files=[AUTH])), Policy()) == Merge(HEAD)


def test_an_approval_of_a_carried_head_still_counts() -> None:
    assert ISSUE.pull_request
    pull = msgspec.structs.replace(ISSUE.pull_request, head=NEXT_HEAD, approved_by=None)
    carried = msgspec.structs.replace(ISSUE, pull_request=pull, carried=[HEAD])
    shown = pull_request(ISSUE, head_sha=NEXT_HEAD, changes=OWNED, reviews=[review("grace")])
    assert gate(carried, shown, Policy()) == Merge(NEXT_HEAD)
    assert isinstance(gate(msgspec.structs.replace(carried, carried=[]), shown, Policy()), Wait)


SNAPSHOTS = st.builds(
    Snapshot,
    repository_id=st.just(77),
    repository=st.just("acme/tally"),
    changes=st.sampled_from(
        [None, Changes(), Changes(files=[AUTH]), OWNED, Changes(mistake="Odd."), Changes(complete=False)]
    ),
    required_checks=st.lists(st.sampled_from(["test", "build", "rig/merge-gate"]), max_size=2),
    checks=st.just([Check(name="test", state="success")]),
    required_approvals=st.integers(0, 1),
    number=st.just(34),
    author=st.just("rig-dev[bot]"),
    state=st.sampled_from(["open", "open", "open", "closed", "merged"]),
    draft=st.booleans(),
    head_sha=st.sampled_from([HEAD, NEXT_HEAD]),
    head_ref=st.just("feature"),
    base_ref=st.just("main"),
    mergeable=st.sampled_from(["mergeable", "conflicting", "unknown"]),
    labels=st.lists(st.sampled_from(["agent-ready", "do-not-merge", "MANUAL-MERGE"]), max_size=2),
    closes=st.lists(st.sampled_from(["acme/tally#1", "acme/tally#2"]), max_size=2),
    checks_state=st.sampled_from(["success", "failure", "pending", "none"]),
    reviews=st.lists(
        st.builds(
            Review,
            author=st.sampled_from(["ada", "grace", "rig-dev[bot]"]),
            state=st.sampled_from(["approved", "changes_requested", "commented"]),
            head_sha=st.sampled_from([HEAD, NEXT_HEAD]),
        ),
        max_size=2,
    ),
    threads=st.lists(st.builds(Thread, id=st.just("1"), resolved=st.booleans()), max_size=2),
)


@given(st.booleans(), SNAPSHOTS)
def test_a_merge_implies_every_condition(approved: bool, pull: Snapshot) -> None:
    issue = ISSUE if approved else h.green()
    verdict = gate(issue, pull, Policy())
    by_rig = approved and pull.head_sha == HEAD
    approvals = {one.author for one in pull.reviews if one.state == "approved" and one.head_sha == pull.head_sha}
    counted = [one for one in pull.reviews if one.state == "approved" and one.author != "rig-dev[bot]"]
    conditions = {
        "open": pull.state == "open" and not pull.draft,
        "tested": pull.checks_state == "success" and "build" not in pull.required_checks,
        "approved": by_rig or bool(approvals - {"rig-dev[bot]"}),
        "approved on GitHub": len(counted) >= pull.required_approvals,
        "not disputed": not any(
            one.state == "changes_requested" and one.author != "rig-dev[bot]" for one in pull.reviews
        ),
        "closes": "acme/tally#1" in pull.closes,
        "resolved": all(thread.resolved for thread in pull.threads),
        "not held": not {label.lower() for label in pull.labels} & {"do-not-merge", "manual-merge"},
        "mergeable": pull.mergeable == "mergeable",
        "harmless": pull.changes == Changes() or (pull.changes == OWNED and "grace" in approvals),
    }
    assert isinstance(verdict, Merge) == all(conditions.values()), conditions
    assert verdict.head == pull.head_sha
