"""Whoever lost a claim is refused by every tool, in words that tell it to stop."""

from __future__ import annotations

from typing import Any

import pytest

from servers.kit.database import Pool
from servers.kit.errors import Fenced
from tests.conductor.conftest import Claimable
from tests.conductor.samples import HEAD
from tests.conductor.serving import Agent, Rig
from tests.fixtures_waiting import Eventually

STOP = r"Stop; do not write any more\.$"
LAPSED = "UPDATE claims SET lease_until = now() - interval '61 seconds'"
PARKED = "UPDATE claims SET stopping_since = now() - interval '61 seconds'"
PULL = {"number": 34, "head_sha": HEAD}
ASKS: list[tuple[str, dict[str, Any]]] = [
    ("heartbeat", {}),
    ("report_event", {"type": "HEARTBEAT"}),
    ("report_event", {"type": "WORK_STARTED"}),
    ("report_event", {"type": "BRANCH_CREATED", "data": {"branch": "b"}}),
    ("report_event", {"type": "PR_CREATED", "data": PULL}),
    ("report_event", {"type": "PR_UPDATED", "data": PULL}),
    ("report_event", {"type": "GUARD_BLOCKED", "data": {"tool": "bash", "reason": "sudo"}}),
    ("complete_assignment", {}),
    ("release_assignment", {"reason": "later"}),
    ("release_assignment", {"reason": "told to", "parked": True}),
    ("report_stuck", {"reason": "cannot"}),
    ("submit_review", {"head_sha": HEAD, "verdict": "approve", "summary": "Fine."}),
]


async def refused(rig: Rig, late: Agent, who: str, claim: dict[str, Any]) -> None:
    """Every tool refuses the claim, and servers are told that it is over."""
    for tool, arguments in ASKS:
        with pytest.raises(Fenced, match=STOP):
            await late.call(tool, claim=claim, **arguments)
    service = await rig.caller("service")
    said = await service.call("check_claim", claim=claim, agent=who, instance=f"{who}-1", boot="1")
    assert said["valid"] is False
    assert said["reason"].startswith("fenced: ")
    assert said["reason"].endswith("Stop; do not write any more.")


async def test_an_expired_lease_shuts_its_holder_out_of_every_tool(
    rig: Rig, claimable: Claimable, pool: Pool, eventually: Eventually
) -> None:
    issue = await claimable()
    late = await rig.caller("person", "ada")
    claim = (await late.claim())["claim"]
    await late.call("heartbeat", claim=claim)
    await pool.execute(LAPSED)
    await eventually(lambda: pool.fetchval("SELECT holder IS NULL FROM issues"))
    await refused(rig, late, "ada", claim)
    told = await late.call("get_issue", issue=issue)
    assert [event["type"] for event in told["timeline"]][-1] == "LEASE_EXPIRED"
    other = await (await rig.caller("dev")).claim()
    assert (other["attempt"], other["branch"][-3:]) == (2, "-a2")
    await refused(rig, late, "ada", claim)


async def test_whoever_should_have_made_room_is_shut_out_a_minute_later(
    rig: Rig, claimable: Claimable, pool: Pool
) -> None:
    await claimable()
    dev, ada = await rig.caller("dev"), await rig.caller("person", "ada")
    claim = (await dev.claim())["claim"]
    assert (await dev.call("heartbeat", claim=claim))["stop"] is None
    urgent = await claimable()
    await ada.call("prioritize_issue", issue=urgent, priority="critical")
    assert (await dev.call("heartbeat", claim=claim))["stop"].startswith(f"critical {urgent} goes first")
    await pool.execute(PARKED)
    for _ in range(2):
        with pytest.raises(Fenced, match=STOP):
            await dev.call("heartbeat", claim=claim)
    assert (await dev.claim())["claim"]["issue"] == urgent


async def test_whoever_spends_too_much_without_progress_is_shut_out(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    usage = {"type": "TOKEN_USAGE", "claim": claim, "data": {"run": "r", "model": "m", "usd": 1.2}}
    assert (await dev.call("report_event", **usage))["state"] == "assigned"
    assert (await dev.call("report_event", {"rig/request_id": "r"}, **usage))["state"] == "escalated"
    assert (await dev.call("report_event", {"rig/request_id": "r"}, **usage))["state"] == "escalated"
    with pytest.raises(Fenced, match=STOP):
        await dev.call("heartbeat", claim=claim)
    said = await dev.call("explain_issue", issue=issue)
    assert said["waits_for"] == [
        "A person has to decide: 2.40 US dollars were spent without a new commit or a green check."
    ]


async def test_what_is_spent_on_no_issue_of_the_rig_is_only_counted(rig: Rig) -> None:
    dev = await rig.caller("dev")
    for issue in ("acme/tally#1", "acme/tally", "somewhere", "a/b#" + "9" * 40):
        data = {"run": "r", "model": "m", "usd": 9.0, "issue": issue}
        assert (await dev.call("report_event", type="TOKEN_USAGE", data=data))["recorded"]
