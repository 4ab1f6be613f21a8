"""The tools of whoever works, called over MCP as agents call them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from servers.kit.auth import AGENT_ROLES, ROLES, Verifier
from servers.kit.client import tool_client
from servers.kit.clock import ManualClock
from servers.kit.database import Pool
from servers.kit.errors import (
    Conflict,
    Fenced,
    Forbidden,
    InvalidInput,
    NotFound,
    RigError,
    Superseded,
    Unauthenticated,
)
from tests.conductor.conftest import Claimable
from tests.conductor.samples import HEAD, NEXT_HEAD
from tests.conductor.serving import Agent, Rig, about_pull

CAUSED = "SELECT count(*) FROM events WHERE causation = $1"
PULL = {"number": 34, "head_sha": HEAD, "url": "http://github.test/acme/tally/pull/34"}


async def report(agent: Agent, claim: Any, kind: str, **data: Any) -> Any:
    return await agent.call("report_event", type=kind, claim=claim, data=data)


async def pushed(rig: Rig, dev: Agent) -> Any:
    """A pull request at HEAD whose checks have passed, waiting for a reviewer; the author's old claim."""
    work = await dev.claim()
    rig.show_pull(work)
    await report(dev, work["claim"], "WORK_STARTED")
    await report(dev, work["claim"], "PR_CREATED", **PULL)
    await dev.call("complete_assignment", claim=work["claim"], summary="Done.")
    await rig.told(about_pull(), "pull_request")
    return work["claim"]


async def test_an_assignment_says_all_that_its_holder_needs(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    work = await (await rig.caller("dev")).claim()
    assert work["claim"] == {"issue": issue, "fence": 1}
    assert (work["kind"], work["branch"], work["base"]) == ("implement", "feature/issue-1-add-feature-1", "main")
    assert (work["pull_request"], work["reason"], work["attempt"]) == (None, None, 1)
    assert work["heartbeat_seconds"] == 30
    assert await (await rig.caller("dev", "dev-x")).claim() is None


async def test_from_claim_to_review_and_rework(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    dev, reviewer = await rig.caller("dev"), await rig.caller("review")
    await pushed(rig, dev)
    review = await reviewer.claim()
    assert (review["kind"], review["pull_request"]["head_sha"]) == ("review", HEAD)
    said = {"head_sha": HEAD, "verdict": "request_changes", "summary": "Nearly."}
    remark = {"path": "a.py", "line": 3, "body": "Why?"}
    answer = await reviewer.call("submit_review", claim=review["claim"], comments=[remark], **said)
    assert answer == {"state": "changes_requested", "recorded": True}
    rework = await dev.claim()
    assert (rework["kind"], rework["reason"]) == ("rework", "changes_requested")
    assert rework["feedback"] == "Nearly.\na.py:3: Why?"
    assert (await dev.call("explain_issue", issue=issue))["waits_for"] == ["dev-e works on it (rework)."]


async def test_reports_are_recorded_once_and_usage_is_counted(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    assert await report(dev, claim, "WORK_STARTED") == {"state": "in_progress", "recorded": True}
    assert await report(dev, claim, "WORK_STARTED") == {"state": "in_progress", "recorded": False}
    await report(dev, claim, "BRANCH_CREATED", branch="feature/issue-1-add-feature-1")
    await report(dev, claim, "GUARD_BLOCKED", tool="run_command", reason="sudo\0")
    usage = {"run": "r1", "model": "m", "input_tokens": 10, "usd": 0.5}
    again = {"rig/request_id": "once"}
    for _ in range(2):
        await dev.call("report_event", again, type="TOKEN_USAGE", claim=claim, data=usage)
    assert (await dev.call("get_costs"))["result"][0]["usd"] == 0.5
    detail = await dev.call("get_issue", issue=issue)
    assert [event["type"] for event in detail["timeline"]] == [
        "ISSUE_APPROVED",
        "ISSUE_ASSIGNED",
        "WORK_STARTED",
        "BRANCH_CREATED",
        "GUARD_BLOCKED",
        "TOKEN_USAGE",
    ]


async def test_a_heartbeat_renews_and_shows_what_is_done(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    assert (await dev.call("heartbeat", claim=claim, step="testing", note="2 of 3"))["lease_until"]
    await report(dev, claim, "HEARTBEAT", step="still testing")
    assert (await dev.call("list_issues"))["result"][0]["step"] == "still testing"
    [agent] = (await dev.call("list_agents"))["result"]
    assert (agent["agent"], agent["instance"], agent["issue"]) == ("dev-e", "dev-e-1", claim["issue"])
    assert (await (await rig.caller("ops")).call("heartbeat"))["lease_until"] is None


async def test_a_token_past_half_its_life_is_renewed_with_the_heartbeat(rig: Rig) -> None:
    for age, renewed in ((timedelta(minutes=20), False), (timedelta(minutes=40), True)):
        token = rig.key.issue("dev-e", "dev", timedelta(hours=1), ManualClock(datetime.now(UTC) - age))
        async with tool_client(f"{rig.url}/mcp/conductor", lambda said=token: said) as client:
            answer = await client.call("heartbeat")
        assert bool(answer["token"]) == renewed
    who = await Verifier.of(rig.key).verify(answer["token"])
    assert (who.subject, who.role) == ("dev-e", "dev")


@pytest.mark.parametrize("tool", ["submit_review", "report_stuck", "complete_assignment", "release_assignment"])
async def test_a_request_that_comes_again_gets_the_same_answer_though_the_claim_is_over(
    rig: Rig, claimable: Claimable, pool: Pool, tool: str
) -> None:
    await claimable()
    dev, agent = await rig.caller("dev"), await rig.caller("review" if tool == "submit_review" else "dev")
    if tool == "submit_review":
        await pushed(rig, dev)
        arguments: dict[str, Any] = {"head_sha": HEAD, "verdict": "approve", "summary": "Fine."}
    else:
        arguments = {} if tool == "complete_assignment" else {"reason": "cannot"}
    work = await agent.claim()
    claim = work["claim"]
    if tool == "complete_assignment":
        rig.show_pull(work)
        await report(agent, claim, "PR_CREATED", **PULL)
    once = {"rig/request_id": uuid4().hex}
    first = await agent.call(tool, once, claim=claim, **arguments)
    caused = await pool.fetchval(CAUSED, once["rig/request_id"])
    assert await agent.call(tool, once, claim=claim, **arguments) == first
    assert await pool.fetchval(CAUSED, once["rig/request_id"]) == caused > 0
    with pytest.raises(InvalidInput, match="with other arguments"):
        await agent.call(tool, once, claim=claim | {"fence": 99}, **arguments)
    with pytest.raises(Fenced, match="Stop"):
        await agent.call(tool, claim=claim, **arguments)


async def test_the_same_request_many_times_at_once_happens_once(rig: Rig, claimable: Claimable, pool: Pool) -> None:
    await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    once = {"rig/request_id": "r"}
    calls = [dev.call("report_stuck", once, claim=claim, reason="cannot") for _ in range(10)]
    calls += [dev.call("send_message", {"rig/request_id": "m"}, to="ada", text="Help!") for _ in range(10)]
    answers = await asyncio.gather(*calls)
    assert all(answer == answers[0] for answer in answers[:10])
    assert all(answer == answers[10] for answer in answers[10:])
    assert await pool.fetchval("SELECT count(*) FROM events WHERE type = 'AGENT_STUCK'") == 1
    assert await pool.fetchval("SELECT count(*) FROM messages") == 1


async def test_messages_are_read_once_unless_the_answer_was_lost(rig: Rig) -> None:
    ada, dev = await rig.caller("person", "ada"), await rig.caller("dev")
    await ada.call("send_message", to="dev-e", text="Mind the tests.")
    once = {"rig/request_id": "r"}
    first = await dev.call("read_messages", once)
    assert [(m["sender"], m["text"]) for m in first["result"]] == [("ada", "Mind the tests.")]
    assert await dev.call("read_messages", once) == first
    assert (await dev.call("read_messages"))["result"] == []


class TestAStranger:
    async def test_cannot_use_a_claim_with_another_token(self, rig: Rig, claimable: Claimable) -> None:
        await claimable()
        claim = (await (await rig.caller("dev")).claim())["claim"]
        thief = await rig.caller("dev", "dev-x")
        for call in (
            thief.call("heartbeat", {"rig/instance": "dev-e-1"}, claim=claim),
            report(thief, claim, "WORK_STARTED"),
            thief.call("complete_assignment", claim=claim),
            thief.call("release_assignment", claim=claim, reason="mine now"),
            thief.call("report_stuck", claim=claim, reason="sabotage"),
        ):
            with pytest.raises(Fenced, match="dev-e has it now"):
                await call

    async def test_with_no_token_or_a_bad_one_gets_nothing(self, rig: Rig) -> None:
        agent = await rig.caller("dev")
        for token in ("", "nonsense", f"{rig.token('dev-e', 'dev')}x"):
            agent.client._token = lambda said=token: said  # pyright: ignore[reportPrivateUsage]
            with pytest.raises(Unauthenticated):
                await agent.call("list_issues")

    async def test_of_the_same_name_but_an_older_process_is_told_to_stop(
        self, rig: Rig, claimable: Claimable
    ) -> None:
        await claimable()
        old, new = await rig.caller("dev"), await rig.caller("dev", boot="2")
        claim = (await old.claim())["claim"]
        assert (await new.claim())["claim"]["fence"] == claim["fence"] + 1
        with pytest.raises(Superseded, match="Stop"):
            await old.call("heartbeat", claim=claim)


async def test_check_claim_answers_servers_in_the_words_of_the_error(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    claim = (await (await rig.caller("dev")).claim())["claim"]
    service = await rig.caller("service")
    who = {"agent": "dev-e", "instance": "dev-e-1", "boot": "1"}

    async def asked(**changes: Any) -> Any:
        return await service.call("check_claim", **{"claim": claim, **who, **changes})

    assert await asked() == {"valid": True, "reason": None}
    assert (await asked(boot="2"))["reason"].startswith("superseded: ")
    assert (await asked(agent="dev-x"))["reason"].startswith("fenced: ")
    assert (await asked(claim={"issue": "acme/none#1", "fence": 1}))["reason"].startswith("fenced: ")
    assert (await asked(claim=claim | {"fence": 2**40}))["valid"] is False


ALLOWED = {
    "claim_assignment": {*AGENT_ROLES, "person"},
    "complete_assignment": {*AGENT_ROLES, "person"},
    "submit_review": {"review", "person"},
    "report_event": {*AGENT_ROLES, "person", "hook"},
    "check_claim": {"service"},
    "record": {"service"},
    "cancel_issue": {"person", "ops"},
    "pause": {"person", "ops"},
    "list_issues": set(ROLES),
}


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_sees_only_its_tools_and_is_refused_the_others(rig: Rig, role: Any) -> None:
    caller = await rig.caller(role)
    names = {tool.name for tool in await caller.client.list_tools()}
    assert len(names) < 25
    assert {name for name in ALLOWED if name in names} == {name for name, who in ALLOWED.items() if role in who}
    for name in ALLOWED.keys() - names:
        with pytest.raises(Forbidden, match=f"The role {role} may not call {name}"):
            await caller.call(name)


CLAIM = {"issue": "acme/tally#1", "fence": 1}
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("claim_assignment", {"wait_seconds": -1}),
    ("claim_assignment", {"wait_seconds": 21}),
    ("claim_assignment", {"wait_seconds": "NaN"}),
    ("claim_assignment", {"kinds": ["conquer"]}),
    ("claim_assignment", {"issue": "acme/tally"}),
    ("claim_assignment", {"issue": "acme/tally#1\0"}),
    ("claim_assignment", {"issue": "../../etc#1"}),
    ("heartbeat", {"step": "x" * 501}),
    ("heartbeat", {"claim": {"issue": "acme/tally#1", "fence": 0}}),
    ("heartbeat", {"claim": {"issue": "acme/tally#1", "fence": -5}}),
    ("heartbeat", {"claim": {"issue": "x" * 400 + "#1", "fence": 1}}),
    ("heartbeat", {"claim": "acme/tally#1"}),
    ("heartbeat", {"claim": {"issue": "acme/tally#" + "9" * 200, "fence": 1}}),
    (
        "report_event",
        {"type": "LOG", "claim": {"issue": "acme/tally#99999999999", "fence": 1}, "data": {"lines": ["x"]}},
    ),
    ("report_event", {"type": "TOKEN_USAGE", "data": {"run": "r\0", "model": "m", "input_tokens": 2**70}}),
    ("report_event", {"type": "ISSUE_DONE", "claim": CLAIM}),
    ("report_event", {"type": "WORK_STARTED"}),
    ("report_event", {"type": "PR_CREATED", "claim": CLAIM, "data": {"number": 0, "head_sha": HEAD}}),
    ("report_event", {"type": "PR_CREATED", "claim": CLAIM, "data": {"number": 1, "head_sha": "main"}}),
    ("report_event", {"type": "PR_CREATED", "claim": CLAIM}),
    ("report_event", {"type": "BRANCH_CREATED", "claim": CLAIM, "data": {"branch": "b" * 201}}),
    ("report_event", {"type": "TOKEN_USAGE", "data": {"run": "r", "model": "m", "usd": "NaN"}}),
    ("report_event", {"type": "TOKEN_USAGE", "data": {"run": "r", "model": "m", "usd": -1}}),
    ("report_event", {"type": "TOKEN_USAGE", "data": {"run": "r", "model": "m", "input_tokens": -1}}),
    ("release_assignment", {"claim": CLAIM, "reason": "x" * 20_001}),
    ("release_assignment", {"claim": CLAIM}),
    ("list_issues", {"limit": 0}),
    ("list_issues", {"limit": 10**12}),
    ("list_events", {"after": -1}),
    ("list_events", {"after": 2**63}),
    ("get_costs", {"days": 0}),
    ("get_issue", {"issue": "'; DROP TABLE events; --"}),
    ("send_message", {"to": "ada", "text": ""}),
    ("send_message", {"to": "a" * 501, "text": "x"}),
    ("submit_review", {"claim": CLAIM, "head_sha": HEAD, "verdict": "maybe", "summary": "x"}),
    ("submit_review", {"claim": CLAIM, "head_sha": HEAD.upper(), "verdict": "approve", "summary": "x"}),
    (
        "submit_review",
        {
            "claim": CLAIM,
            "head_sha": HEAD,
            "verdict": "approve",
            "summary": "x",
            "comments": [{"path": "a", "line": 0, "body": "x"}],
        },
    ),
]


async def test_hostile_arguments_are_refused_by_name_and_nothing_breaks(rig: Rig, pool: Pool) -> None:
    person = await rig.caller("person")
    for tool, arguments in HOSTILE:
        with pytest.raises(InvalidInput):
            await person.call(tool, **arguments)
    assert await pool.fetchval("SELECT count(*) FROM events") == 0


async def test_names_that_no_database_holds_are_refused_at_the_door(rig: Rig) -> None:
    dev = await rig.caller("dev")
    for name in ("rig/instance", "rig/boot", "rig/request_id"):
        with pytest.raises(InvalidInput, match=name):
            await dev.call("list_issues", {name: "a\0b"})
    await dev.call("heartbeat", {"rig/instance": "x" * 1_000_000})


async def test_text_that_no_database_holds_is_kept_without_it(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    await dev.call("heartbeat", claim=claim, step="a\0b")
    await dev.call("report_stuck", claim=claim, reason="binary\0output", evidence="\0" * 100)
    timeline = (await dev.call("get_issue", issue=issue))["timeline"]
    assert timeline[-2]["data"]["reason"] == "binary?output"


async def test_what_does_not_exist_is_not_found(rig: Rig) -> None:
    person = await rig.caller("person")
    for tool in ("get_issue", "explain_issue", "claim_assignment", "cancel_issue"):
        with pytest.raises(NotFound, match="does not know acme/none#1"):
            await person.call(tool, issue="acme/none#1", **({"reason": "x"} if tool == "cancel_issue" else {}))
    with pytest.raises(RigError):
        await person.call("no_such_tool")


async def test_handing_in_without_a_pull_request_is_a_conflict(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev = await rig.caller("dev")
    work = await dev.claim()
    claim = work["claim"]
    with pytest.raises(Conflict, match="Report PR_CREATED or PR_UPDATED first"):
        await dev.call("complete_assignment", claim=claim)
    rig.show_pull(work)
    await report(dev, claim, "PR_CREATED", **PULL)
    with pytest.raises(Conflict, match="already has pull request #34"):
        await report(dev, claim, "PR_UPDATED", number=35, head_sha=NEXT_HEAD)
