"""Every gate for itself, and that a merge implies all of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.gate import Merge, Policy, Refuse, Wait, gate
from conductor.snapshot import Changes, Check, Review, Snapshot, Thread
from tests.conductor import histories as h
from tests.conductor.samples import HEAD, NEXT_HEAD, pull_request

ISSUE = h.ready()
UNRESOLVED = Thread(id="1", resolved=False)


def judged(approved: bool = True, **changes: Any) -> Merge | Wait | Refuse:
    issue = ISSUE if approved else h.green()
    return gate(issue, pull_request(issue, **changes), Policy())


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
        ({"closes": []}, "The description does not say `Closes #1`."),
        ({"closes": ["acme/tally#2", "other/tally#1"]}, "The description does not say `Closes #1`."),
        ({"threads": [UNRESOLVED]}, "1 review thread is not resolved."),
        ({"threads": [UNRESOLVED, UNRESOLVED]}, "2 review threads are not resolved."),
        ({"labels": ["Do-Not-Merge"]}, "The label `do-not-merge` holds it."),
        ({"labels": ["manual-merge"]}, "The label `manual-merge` leaves the merge to a person."),
        ({"draft": True}, "The pull request is a draft."),
        ({"mergeable": "conflicting"}, "It conflicts with main."),
        ({"mergeable": "unknown"}, "GitHub has not yet said whether it can be merged."),
        ({"reviews": [review(state="changes_requested")]}, "ada asked for changes."),
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
    ],
    ids=["at this head", "at another head", "by the author", "no approval"],
)
def test_a_persons_approval_counts_at_this_head_unless_it_is_the_authors(one: Review, opens: bool) -> None:
    assert isinstance(judged(approved=False, reviews=[one]), Merge) == opens


def test_an_approval_by_an_author_of_the_change_does_not_count() -> None:
    assert ISSUE.pull_request
    forged = msgspec.structs.replace(ISSUE.pull_request, approved_by=h.DEV)
    issue = msgspec.structs.replace(ISSUE, pull_request=forged)
    assert isinstance(gate(issue, pull_request(issue), Policy()), Wait)


def test_a_policy_is_known_by_its_content() -> None:
    assert Policy().digest == Policy().digest != Policy(hold_labels=["hold"]).digest


SNAPSHOTS = st.builds(
    Snapshot,
    repository_id=st.just(77),
    repository=st.just("acme/tally"),
    changes=st.just(Changes()),
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
            author=st.sampled_from(["ada", "rig-dev[bot]"]),
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
    by_person = any(
        (one.author, one.state, one.head_sha) == ("ada", "approved", pull.head_sha) for one in pull.reviews
    )
    conditions = {
        "open": pull.state == "open" and not pull.draft,
        "tested": pull.checks_state == "success",
        "approved": by_rig or by_person,
        "not disputed": not any(r.state == "changes_requested" and r.author == "ada" for r in pull.reviews),
        "closes": "acme/tally#1" in pull.closes,
        "resolved": all(thread.resolved for thread in pull.threads),
        "not held": not {label.lower() for label in pull.labels} & {"do-not-merge", "manual-merge"},
        "mergeable": pull.mergeable == "mergeable",
    }
    assert isinstance(verdict, Merge) == all(conditions.values()), conditions
    assert verdict.head == pull.head_sha
