"""The table, and any history of commands whatever."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from conductor import events as e
from conductor.comments import waiting
from conductor.events import TYPES
from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.evolve import evolve, fold
from conductor.issues.issue import Issue, Status, offer
from conductor.issues.lifecycle import NEUTRAL, TABLE, TERMINAL, diagram, next_status
from conductor.issues.limits import Limits
from conductor.issues.react import react
from conductor.issues.words import waits_for
from conductor.merge.snapshot import Review
from conductor.store.records import issue_row
from servers.kit.errors import IllegalTransition, Refused
from tests.conductor import histories as h
from tests.conductor.samples import observed

STATUSES = get_args(Status)
MOSTLY = st.sampled_from([True] * 9 + [False])
LIMITS = Limits()
HEADS = [letter * 40 for letter in "abc"]
AGENTS = [("dev-e", "dev"), ("dev-x", "dev"), ("review-e", "review"), ("review-x", "review"), ("ada", "person")]


def test_the_table_says_what_every_event_does_and_knows_no_other() -> None:
    assert {event for _, event in TABLE} == TYPES.keys()


def test_the_table_leads_from_listed_statuses_to_listed_ones() -> None:
    assert {status for status, _ in TABLE} | set(TABLE.values()) <= set(STATUSES)
    assert set(TABLE.values()) == set(STATUSES) - {"new"}


def test_an_issue_that_is_over_starts_again_only_by_approval() -> None:
    ways = {event for (status, event), target in TABLE.items() if status in TERMINAL and target != status}
    assert ways == {"ISSUE_APPROVED"}


def test_every_status_that_is_not_the_end_can_be_left() -> None:
    for status in set(STATUSES) - TERMINAL:
        assert any(source == status and target != status for (source, _), target in TABLE.items()), status


def test_a_step_that_is_not_listed_is_refused_with_words() -> None:
    with pytest.raises(IllegalTransition, match="MERGED is not possible while the issue is new"):
        next_status("new", "MERGED")


def test_the_diagram_shows_every_status_and_only_what_moves_an_issue() -> None:
    drawn = diagram()
    assert all(f" {status}" in drawn for status in STATUSES)
    assert not any(event in drawn for event in NEUTRAL)


def next_step(issue: Issue) -> c.Command | None:
    """What would bring the issue on, if everybody did their part."""
    pull, holder, work = issue.pull_request, issue.holder, offer(issue)
    if work:
        return h.assign("review-e" if work.role == "review" else "dev-e", work.role)
    if holder is None:
        return h.look(issue) if pull else None
    match issue.status:
        case "assigned":
            return c.StartWork(**h.held(issue))
        case "in_progress":
            head = HEADS[(HEADS.index(pull.head) + 1) % 3] if pull else HEADS[0]
            return c.ReportPullRequest(**h.held(issue), number=34, head=head)
        case _ if holder.kind == "review" and pull:
            return h.verdict(issue, "request_changes" if issue.reviews == 0 else "approve", pull.head)
        case _:
            return c.Complete(**h.held(issue))


class Histories(RuleBasedStateMachine):
    """Many actors ask whatever they like; each keeps the claims it was ever given and goes on using them."""

    def __init__(self) -> None:
        super().__init__()
        self.issue = Issue()
        self.log: list[e.Event] = []
        self.claims: list[dict[str, Any]] = []
        self.fences: list[int] = []
        self.wrote: set[str] = set()
        self.said: dict[str, str] = {}
        self.boots = 0

    def ask(self, command: c.Command) -> None:
        before = self.issue
        try:
            events = decide(before, command)
        except Refused:
            return
        self.issue = fold(events, before)
        self.log += events
        self.note(before, events)
        self.say(events)
        if not isinstance(command, c.Assign | c.ReportGuardBlocked):
            assert_settles(self.issue, command)

    def note(self, before: Issue, events: list[e.Event]) -> None:
        for event in events:
            if isinstance(event, e.IssueApproved):
                self.wrote = set()
            if isinstance(event, e.IssueAssigned | e.ReviewAssigned):
                self.fences.append(event.fence)
                self.claims.append(h.held(self.issue))
            if isinstance(event, e.IssueAssigned):
                self.wrote.add(event.agent)
            if isinstance(event, e.ReviewAssigned):
                assert event.agent not in self.wrote
        if before.status in TERMINAL and self.issue.status != before.status:
            assert events[0].type == "ISSUE_APPROVED"

    def say(self, events: list[e.Event]) -> None:
        """Do the effects that set the commit's status, as the runner does them once everything else is done."""
        for effect in (effect for event in events for effect in react(event, self.issue)):
            if effect.kind == "set_status":
                self.said[effect.data["head"]] = effect.data["description"]
            if effect.kind == "tell_place" and self.issue.pull_request:
                self.said[self.issue.pull_request.head] = waiting(waits_for(self.issue))

    @initialize()
    def somebody_labels_it(self) -> None:
        self.ask(observed())

    @rule(steps=st.integers(1, 6))
    def all_goes_well(self, steps: int) -> None:
        for _ in range(steps):
            if command := next_step(self.issue):
                self.ask(command)

    @rule(ready=MOSTLY, is_open=MOSTLY, may=MOSTLY, labelling=st.integers(0, 3))
    def github_shows_the_issue(self, ready: bool, is_open: bool, may: bool, labelling: int) -> None:
        self.ask(observed(ready=ready, open=is_open, approver="ada" if may else None, labelling=labelling))

    @rule(
        kind=st.sampled_from([h.look, h.running, h.red]),
        head=st.sampled_from(HEADS),
        state=st.sampled_from(["open"] * 12 + ["closed", "merged"]),
        mergeable=st.sampled_from(["mergeable", "mergeable", "conflicting", "unknown"]),
        draft=st.booleans(),
    )
    def github_shows_the_pull_request(self, kind: type, head: str, state: str, mergeable: str, draft: bool) -> None:
        self.ask(kind(self.issue, head_sha=head, state=state, mergeable=mergeable, draft=draft))

    @rule(who=st.sampled_from(AGENTS), restarted=st.booleans())
    def somebody_wants_it(self, who: tuple[str, str], restarted: bool) -> None:
        self.boots += restarted
        self.ask(h.assign(*who, boot=str(self.boots)))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), head=st.sampled_from(HEADS), number=st.sampled_from([34, 34, 34, 35]))
    def somebody_uses_a_claim(self, data: st.DataObject, head: str, number: int) -> None:
        who = data.draw(st.sampled_from(self.claims[-3:]))
        asks = [
            c.StartWork(**who),
            c.ReportBranch(**who, branch=self.issue.branch),
            c.ReportPullRequest(**who, number=number, head=head),
            c.ReportGuardBlocked(**who, tool="bash", reason="sudo"),
            c.Complete(**who),
            c.Release(**who, reason="later"),
            c.Release(**who, reason="told to", parked=True),
            c.ReportStuck(**who, reason="cannot"),
            c.ReportStuck(**who, reason="cannot", error_class="oom"),
            c.SubmitReview(**who, head=head, verdict="approve", summary="Fine."),
            c.SubmitReview(**who, head=head, verdict="request_changes", summary="No."),
        ]
        command = data.draw(st.sampled_from(asks))
        holder = self.issue.holder
        if holder is None or holder.fence != command.fence:
            with pytest.raises(Refused):
                decide(self.issue, command)
        self.ask(command)

    @rule(data=st.data(), started=st.booleans())
    def a_lease_ends(self, data: st.DataObject, started: bool) -> None:
        self.ask(c.ExpireLease(data.draw(st.integers(0, self.issue.fence)), started))

    @rule(data=st.data(), kind=st.sampled_from([c.Park, c.NoticeStandstill]), nobody=st.booleans())
    def the_watch_looks(self, data: st.DataObject, kind: type, nobody: bool) -> None:
        fence = data.draw(st.integers(0, self.issue.fence))
        standstill = c.NoticeStandstill(30, None if nobody else fence)
        self.ask(c.Park(fence, "critical goes first") if kind is c.Park else standstill)

    @rule(usd=st.sampled_from([0.5, 1.9, 2.0]))
    def money_is_spent(self, usd: float) -> None:
        self.ask(c.RecordSpend(usd))

    @rule(author=st.sampled_from(["ada", "bob"]), words=st.sampled_from(["No.", "Still no."]), ours=st.booleans())
    def a_person_reviews_on_github(self, author: str, words: str, ours: bool) -> None:
        if pull := self.issue.pull_request:
            review = Review(author=author, state="changes_requested", head_sha=pull.head, body=words, ours=ours)
            self.ask(h.look(self.issue, reviews=[review]))

    @rule(
        command=st.sampled_from(
            [c.RecordMerged(h, "c" * 40, "rig") for h in HEADS]
            + [c.RecordMergeRefused(h, ["Not now."]) for h in HEADS]
            + [c.RecordEffectFailed("comment", "no")]
        )
    )
    def an_effect_ends(self, command: c.Command) -> None:
        self.ask(command)

    @rule(
        command=st.sampled_from(
            [
                c.Approve("ada"),
                c.Prioritize("high", "ada"),
                c.Reassign("slow", "ada"),
                c.DecideGate(True, "", "ada"),
                c.DecideGate(True, "Go on.", "ada"),
                c.DecideGate(False, "", "ada"),
                c.Cancel("No.", "ada"),
            ]
        )
    )
    def a_person_decides(self, command: c.Command) -> None:
        self.ask(command)

    @invariant()
    def the_log_says_the_same(self) -> None:
        assert fold(self.log) == self.issue
        assert self.issue.status in STATUSES

    @invariant()
    def an_open_pull_request_shows_the_words_that_explain_the_issue(self) -> None:
        pull = self.issue.pull_request
        if pull and not pull.closed and self.issue.merged is None:
            assert self.said[pull.head] == waiting(waits_for(self.issue))

    @invariant()
    def fences_only_grow(self) -> None:
        assert self.fences == sorted(set(self.fences))
        assert self.issue.fence == (self.fences[-1] if self.fences else 0)

    @invariant()
    def work_is_offered_or_held_but_never_both(self) -> None:
        held = self.issue.holder is not None
        assert not (held and offer(self.issue))
        assert not (held and self.issue.status in (*TERMINAL, "queued", "new", "escalated", "stuck"))
        assert self.issue.status not in ("assigned", "in_progress") or held
        assert issue_row(self.issue, len(self.log))["status"] == self.issue.status

    @invariant()
    def what_adds_up_is_bounded(self) -> None:
        stopped = self.issue.status in ("escalated", *TERMINAL)
        assert self.issue.strikes <= LIMITS.strikes
        assert stopped or self.issue.strikes < LIMITS.strikes
        alike = [count for name, count in self.issue.failures.items() if not name.startswith("ci:")]
        assert stopped or max(alike, default=0) < LIMITS.same_failure
        assert stopped or self.issue.ci_failures <= LIMITS.ci_failures or self.issue.rework != "ci_failed"
        assert (self.issue.status == "escalated") == bool(self.issue.brake) or self.issue.status in TERMINAL

    @invariant()
    def an_unheld_issue_never_stops_in_between(self) -> None:
        assert self.issue.status != "stuck"
        if self.issue.status in ("queued", "changes_requested") and not self.issue.holder:
            assert offer(self.issue)


def assert_settles(issue: Issue, command: c.Command) -> None:
    """The same again is refused or, at the latest the second time, nothing new."""
    for _ in range(3):
        try:
            events = decide(issue, command)
        except Refused:
            return
        if not events:
            return
        issue = fold(events, issue)
    raise AssertionError(f"{command} never ends")


TestAnyHistory = Histories.TestCase
TestAnyHistory.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("name", h.EVERY)
def test_machinery_is_never_refused(name: str) -> None:
    """What GitHub shows and what effects and leases end with has no caller that could be told."""
    issue = h.EVERY[name]
    fence = issue.fence
    for command in (
        observed(),
        observed(open=False),
        observed(ready=False),
        h.look(issue),
        h.red(issue, mergeable="conflicting"),
        h.look(issue, state="merged", merged_sha="c" * 40),
        h.look(issue, state="closed"),
        c.ExpireLease(fence, True),
        c.ExpireLease(fence, False),
        c.RecordMergeRefused("a" * 40, ["No."]),
        c.RecordEffectFailed("look", "no"),
    ):
        assert fold(decide(issue, command), issue).status in STATUSES


def test_an_event_changes_no_issue_in_place() -> None:
    issue = h.working()
    before = repr(issue)
    evolve(issue, e.IssueCancelled(reason="No.", by="ada"))
    assert repr(issue) == before
