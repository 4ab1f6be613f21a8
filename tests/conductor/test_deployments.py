"""After the merge: what is deployed and tested, in whatever order it is seen, until it is verified."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from conductor.events import DeployedProduction, DeployedStaging, Step
from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.evolve import fold
from conductor.issues.issue import Issue
from conductor.issues.words import waits_for
from conductor.merge.deployments import Deployed, Plan, Ran, Rollout, verified_by
from servers.kit.errors import Conflict
from tests.conductor import histories as h
from tests.conductor.samples import HEAD, pull_request

SHA, LATER = "c" * 40, "d" * 40
PLAN = Plan(staging="Staging", smoke="Smoke", e2e="E2E", production="production")
STEPS: list[Step] = ["staging", "smoke", "e2e", "production"]


def deployed(environment: str, state: str = "success", number: int = 1, sha: str = SHA) -> Deployed:
    return Deployed(id=number, environment=environment, sha=sha, state=state, url="http://log")


def ran(name: str, conclusion: str | None = "success", number: int = 1, sha: str = SHA, attempt: int = 1) -> Ran:
    return Ran(id=number, name=name, sha=sha, conclusion=conclusion, url="http://run", attempt=attempt)


def merged(steps: list[Step] = STEPS) -> Issue:
    return h.do(h.merging(), c.RecordMerged(HEAD, SHA, "rig", steps))


def see(issue: Issue, *seen: Deployed | Ran, plan: Plan = PLAN) -> tuple[Issue, list[str]]:
    rollout = Rollout(
        deployments=[one for one in seen if isinstance(one, Deployed)],
        runs=[one for one in seen if isinstance(one, Ran)],
    )
    events = decide(issue, c.ObserveRollout(rollout, plan))
    return fold(events, issue), [event.type for event in events]


EVERYTHING = (deployed("staging"), ran("smoke"), ran("e2e"), deployed("Production"))


def test_where_nothing_is_awaited_the_merge_is_the_end() -> None:
    assert merged([]).status == "done"


@pytest.mark.parametrize("by_look", [True, False])
def test_where_a_deployment_is_awaited_the_merge_is_followed_by_deploying(by_look: bool) -> None:
    issue = h.merging()
    pull = pull_request(issue, state="merged", merged_sha=SHA, merged_by="ada")
    command = c.ObservePullRequest(pull, deploys=STEPS) if by_look else c.RecordMerged(HEAD, SHA, "rig", STEPS)
    after = h.do(issue, command)
    assert (after.status, after.deploys, after.merged) == ("deploying", STEPS, SHA)
    assert h.do(after, c.ObservePullRequest(pull, deploys=STEPS)) == after


def test_everything_at_once_is_told_in_order() -> None:
    issue, types = see(merged(), *EVERYTHING)
    assert types == [
        "DEPLOYED_STAGING", "SMOKE_PASSED", "E2E_PASSED", "DEPLOYED_PRODUCTION", "VERIFIED", "ISSUE_DONE",
    ]  # fmt: skip
    assert issue.status == "done"


def test_in_whatever_order_it_is_seen_it_ends_verified_once() -> None:
    for order in permutations(EVERYTHING):
        issue, told = merged(), list[str]()
        for count in range(1, len(order) + 1):
            for _ in range(2):
                issue, types = see(issue, *order[:count])
                told += types
        assert (issue.status, sorted(set(told)), len(told)) == ("done", sorted(told), 6), order


@pytest.mark.parametrize(
    "seen",
    [
        (),
        (deployed("staging", "in_progress"), ran("smoke", None)),
        (deployed("elsewhere"), ran("Other")),
        (ran("smoke", "cancelled"), ran("e2e", "skipped")),
        (deployed("staging", "failure", sha=LATER), ran("smoke", "failure", sha=LATER)),
    ],
    ids=["nothing", "not over", "another", "without a result", "another commit's failure"],
)
def test_what_says_nothing_about_the_commit_changes_nothing(seen: Any) -> None:
    assert see(merged(), *seen)[1] == []


@pytest.mark.parametrize(
    ("failure", "types", "words"),
    [
        (deployed("staging", "error"), ["ESCALATED"], "The deployment to Staging failed after the merge."),
        (ran("smoke", "failure"), ["SMOKE_FAILED", "ESCALATED"], "The workflow Smoke failed after the merge."),
        (ran("e2e", "timed_out"), ["E2E_FAILED", "ESCALATED"], "The workflow E2E failed after the merge."),
        (deployed("production", "failure"), ["ESCALATED"], "The deployment to production failed after the merge."),
    ],
)
def test_a_failure_asks_a_person_once_and_a_later_try_settles_it(
    failure: Deployed | Ran, types: list[str], words: str
) -> None:
    issue, told = see(merged(), failure)
    assert (told, issue.status, issue.escalation, issue.brake) == (types, "escalated", words, "deployment")
    again, told = see(issue, failure)
    assert (again, told) == (issue, [])
    tried = [msgspec.structs.replace(one, id=9) for one in EVERYTHING]
    settled, told = see(issue, failure, *tried)
    assert (settled.status, settled.escalation, told[-2:]) == ("done", "", ["VERIFIED", "ISSUE_DONE"])


def test_a_later_commit_carries_the_earlier_one_with_it() -> None:
    seen = [deployed("staging", sha=LATER), ran("smoke", sha=LATER), ran("e2e"), deployed("production", sha=LATER)]
    assert see(merged(), *seen)[0].status == "done"


def test_what_passed_once_is_not_undone_by_a_failure_of_a_later_try() -> None:
    issue, _ = see(merged(), deployed("staging"))
    assert see(issue, deployed("staging"), deployed("staging", "failure", 2)) == (issue, [])


def test_what_it_waits_for_is_said_until_it_has_happened() -> None:
    issue = merged()
    steps = list(issue.deploys)
    assert waits_for(issue) == [f"It is merged; it waits for {', '.join(steps)}."]
    issue, _ = see(issue, deployed("staging"))
    assert waits_for(issue) == [f"It is merged; it waits for {', '.join(steps[1:])}."]


def test_a_policy_that_names_less_now_waits_for_less_and_an_empty_one_for_nothing() -> None:
    issue, types = see(merged(), deployed("staging"), plan=Plan(staging="staging"))
    assert (issue.status, types) == ("done", ["DEPLOYED_STAGING", "VERIFIED", "ISSUE_DONE"])
    assert see(merged(), plan=Plan())[1] == ["VERIFIED", "ISSUE_DONE"]


def test_nothing_is_waited_for_before_the_merge_or_after_the_end() -> None:
    for issue in (Issue(), h.merging(), h.done(), h.cancelled()):
        assert see(issue, *EVERYTHING)[1] == []


def test_a_person_cannot_have_merged_work_done_again_but_may_end_the_wait() -> None:
    issue, _ = see(merged(), ran("smoke", "failure"))
    with pytest.raises(Conflict, match="Run its deployment again on GitHub"):
        decide(issue, c.DecideGate(approve=True, note="", by="ada"))
    assert h.do(issue, c.DecideGate(approve=False, note="", by="ada")).status == "cancelled"


BY_CHARACTER = Plan(staging="staging", smoke="ops-e")


def say(issue: Issue, passed: bool, by: str = "ops-e", run: str = "chore 1", step: Step = "smoke") -> list[str]:
    return [event.type for event in decide(issue, c.RecordStep(step, by, passed, run, "I saw it.", BY_CHARACTER))]


def test_a_step_that_a_character_verifies_ends_by_its_word_alone() -> None:
    issue, types = see(merged(["staging", "smoke"]), deployed("staging"), plan=BY_CHARACTER)
    assert types == ["DEPLOYED_STAGING"]
    assert say(issue, passed=True) == ["SMOKE_PASSED", "VERIFIED", "ISSUE_DONE"]
    assert say(issue, passed=True, by="dev-e") == []
    assert say(issue, passed=True, step="staging") == say(issue, passed=True, step="e2e") == []
    for over in (h.merging(), h.done(), h.cancelled()):
        assert say(over, passed=True) == []


def test_what_a_character_saw_fail_asks_a_person_and_nothing_else_happens() -> None:
    issue, _ = see(merged(["staging", "smoke"]), deployed("staging"), plan=BY_CHARACTER)
    assert say(issue, passed=False) == ["SMOKE_FAILED", "ESCALATED"]
    after = h.do(issue, c.RecordStep("smoke", "ops-e", False, "chore 1", "double(2) gives 5.", BY_CHARACTER))
    assert (after.status, after.escalation) == ("escalated", "ops-e saw the step smoke fail after the merge.")
    assert say(after, passed=False) == []
    assert say(after, passed=True, run="chore 2") == ["SMOKE_PASSED", "VERIFIED", "ISSUE_DONE"]


def test_a_character_verifies_what_is_deployed_where_the_repository_begins() -> None:
    staging, production = (kind(sha=SHA, url="", run="1") for kind in (DeployedStaging, DeployedProduction))
    assert verified_by(BY_CHARACTER, staging, ["ops-e"]) == ["smoke"]
    assert verified_by(BY_CHARACTER, production, ["ops-e"]) == []
    assert verified_by(Plan(e2e="ops-e", production="live"), production, ["ops-e"]) == ["e2e"]
    assert verified_by(PLAN, staging, ["ops-e"]) == []


def test_a_repository_with_a_new_name_takes_its_issues_along() -> None:
    issue = h.do(h.working(), c.ObserveRepository("acme/count"))
    assert (issue.repository, issue.key, issue.stream) == ("acme/count", "acme/count#1", h.working().stream)
    assert decide(issue, c.ObserveRepository("acme/count")) == []
    assert h.do(h.done(), c.ObserveRepository("acme/count")).status == "done"
    assert decide(Issue(), c.ObserveRepository("acme/count")) == []
