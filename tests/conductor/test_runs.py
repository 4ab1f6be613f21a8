"""The record of a run, from the log's events and what its agent said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from conductor.issues.runs import Course, Told, course
from servers.kit.database import Pool
from tests.conductor.conftest import Claimable
from tests.conductor.samples import HEAD
from tests.conductor.serving import Rig

AT = datetime(2026, 4, 12, 9, 20, tzinfo=UTC)
SPENT = "SELECT sum((data->>'usd')::numeric) FROM events WHERE type = 'TOKEN_USAGE'"
TESTED = {
    "run": "",
    "model": "claude-haiku-5-5",
    "input_tokens": 1234,
    "output_tokens": 567,
    "cache_read_tokens": 10_921,
    "cache_write_tokens": 4305,
    "usd": 0.105,
}


def told(kind: str, minutes: int = 1, **data: Any) -> Told:
    return Told(kind, data, AT + timedelta(minutes=minutes))


ENDS: list[tuple[Told, str, str]] = [
    (told("ISSUE_UNASSIGNED", agent="dev-e", fence=3, reason="parked", note="at a limit"), "parked", "at a limit"),
    (told("REVIEW_PASSED", agent="dev-e", fence=3, head=HEAD), "completed", "approved"),
    (told("REVIEW_DISPUTED", agent="dev-e", fence=3, head=HEAD), "completed", "asked for changes"),
    (told("AGENT_STUCK", agent="dev-e", fence=3, reason="Tests fail."), "stuck", "Tests fail."),
    (told("LEASE_EXPIRED", agent="dev-e", fence=3), "expired", "no heartbeat came"),
    (told("BUDGET_EXCEEDED", agent="dev-e", usd=1, limit_usd=1, reason="Spent."), "over_budget", "Spent."),
    (told("ESCALATED", cause="Too long."), "escalated", "Too long."),
    (told("ISSUE_CANCELLED", reason="No longer wanted", by="ada"), "cancelled", "No longer wanted"),
    (told("PR_CLOSED", number=3), "cancelled", "the pull request was closed"),
    (told("MERGED", head=HEAD, sha=HEAD), "cancelled", "the pull request was merged"),
    (told("ISSUE_ASSIGNED", agent="dev-2", fence=4), "superseded", "dev-2 took it over"),
    (told("CHORE_DONE", agent="dev-e", run="r"), "completed", ""),
    (told("CHORE_FAILED", agent="dev-e", reason="No access."), "stuck", "No access."),
]


@pytest.mark.parametrize(("end", "outcome", "reason"), ENDS, ids=[f"{end.type} {how}" for end, how, _ in ENDS])
def test_a_run_ends_with_the_first_thing_that_ends_it(end: Told, outcome: str, reason: str) -> None:
    pull = told("PR_CREATED", number=131, url="u", fence=3)
    late = told("AGENT_STUCK", 9, agent="dev-e", fence=3, reason="late")
    assert course("dev-e", 3, [pull, end, late]) == Course(outcome, reason, end.at, 131, "u")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        told("ISSUE_UNASSIGNED", agent="dev-1", fence=2, reason="released"),
        told("REVIEW_PASSED", agent="ada", head=HEAD),
        told("BUDGET_EXCEEDED", agent="dev-1", usd=1, limit_usd=1),
        told("LEASE_EXPIRED", agent="dev-1", fence=2),
    ],
)
def test_what_happens_to_others_does_not_end_a_run(other: Told) -> None:
    assert course("dev-e", 3, [other]) == Course()


async def worked(rig: Rig, issue: str) -> Mapping[str, Any]:
    """A run that reports steps and two model calls and opens a pull request."""
    dev = await rig.caller("dev")
    work = await dev.claim()
    claim = work["claim"]
    assert claim["issue"] == issue
    steps = [{"text": "implement", "step": True, "ago": 1.5}, "It runs.", {"text": "test", "step": True}]
    for kind, data in (
        ("LOG", {"run": work["run"], "lines": steps}),
        ("TOKEN_USAGE", TESTED | {"run": work["run"]}),
        ("TOKEN_USAGE", TESTED | {"run": work["run"], "turns": 13}),
        ("BRANCH_CREATED", {"branch": work["branch"]}),
        ("PR_CREATED", {"number": 131, "head_sha": HEAD, "url": "https://github.example/p/131"}),
    ):
        await dev.call("report_event", type=kind, claim=claim, data=data)
    await dev.call("complete_assignment", claim=claim, summary="Done")
    return work


async def test_the_record_says_what_a_run_did_used_and_cost(rig: Rig, claimable: Claimable, pool: Pool) -> None:
    issue = await claimable()
    work = await worked(rig, issue)
    ada = await rig.caller("person", "ada")
    [run] = (await ada.call("list_runs", issue=issue))["result"]
    said = {name: run[name] for name in ("run", "agent", "issue", "kind", "attempt", "status", "pull_request")}
    assert said == {
        "run": work["run"],
        "agent": "dev-e",
        "issue": issue,
        "kind": "implement",
        "attempt": 1,
        "status": "completed",
        "pull_request": 131,
    }
    used = ("turns", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "usd", "models")
    assert [run[name] for name in used] == [14, 2468, 1134, 21_842, 8610, 0.21, ["claude-haiku-5-5"]]
    assert [(step["step"], step["ok"]) for step in run["steps"]] == [
        ("assigned", True),
        ("implement", True),
        ("test", True),
    ]
    assert sum(step["seconds"] for step in run["steps"]) == pytest.approx(run["seconds"], abs=1.6)
    assert (await ada.call("list_runs", agent="dev-e"))["result"] == [run]
    assert (await ada.call("list_runs", agent="review-e"))["result"] == []
    answer = await rig.http.get("/api/execution-logs?agent=dev-e", headers=rig.bearer("person"))
    assert answer.json() == [run]


async def test_the_same_money_stands_in_runs_costs_timeline_and_log(
    rig: Rig, claimable: Claimable, pool: Pool
) -> None:
    for _ in range(2):
        await worked(rig, await claimable())
    ada = await rig.caller("person", "ada")
    spent = await pool.fetchval(SPENT)
    assert spent == Decimal("0.42")
    runs = (await ada.call("list_runs"))["result"]
    assert sum(Decimal(str(run["usd"])) for run in runs) == spent
    for by in ("model", "repository", "issue"):
        costs = (await ada.call("get_costs", by=by))["result"]
        assert sum(Decimal(str(cost["usd"])) for cost in costs) == spent, by
    timelines = [(await ada.call("get_issue", issue=run["issue"]))["timeline"] for run in runs]
    usages = [event["data"]["usd"] for timeline in timelines for event in timeline if event["type"] == "TOKEN_USAGE"]
    assert sum(Decimal(str(usd)) for usd in usages) == spent


async def test_a_running_run_has_an_open_step_and_nobody_else_adds_to_it(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev, mallory = await rig.caller("dev"), await rig.caller("dev", "mallory")
    work = await dev.claim()
    for agent in (dev, mallory):
        await agent.call("report_event", type="TOKEN_USAGE", data=TESTED | {"run": work["run"]})
        lines = [{"text": f"by {agent.meta['rig/instance']}", "step": True}]
        await agent.call("report_event", type="LOG", data={"run": work["run"], "lines": lines})
    [run] = (await dev.call("list_runs"))["result"]
    assert (run["status"], run["ended_at"], run["turns"]) == ("running", None, 1)
    assert [(step["step"], step["ok"]) for step in run["steps"]] == [("assigned", True), ("by dev-e-1", None)]


async def test_a_numbered_line_that_comes_again_is_kept_once(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev = await rig.caller("dev")
    for numbers in ([1, 2], [1, 2, 3]):
        lines = [{"text": f"line {number}", "number": number} for number in numbers]
        await dev.call("report_event", type="LOG", data={"run": "r", "lines": [*lines, "without a number"]})
    kept = [line["text"] for line in (await dev.call("list_log", run="r"))["result"]]
    assert kept == ["line 1", "line 2", "without a number", "line 3", "without a number"]


async def test_lines_are_kept_without_what_looks_like_a_credential(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev = await rig.caller("dev")
    secret = "ghp_" + "a" * 36
    said = {
        "run": "r",
        "lines": [f"cloning https://x:{secret}@github.com", {"text": f"token={secret}", "step": True}],
    }
    await dev.call("report_event", type="LOG", data=said)
    kept = (await dev.call("list_log", run="r"))["result"]
    assert [line["step"] for line in kept] == [False, True]
    assert secret not in json.dumps(kept)
    assert "redacted" in kept[0]["text"]
