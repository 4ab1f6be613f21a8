"""The tools of people, operators and the rig's other servers, called over MCP."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from servers.kit.database import Pool
from servers.kit.errors import Conflict, Fenced, IllegalTransition, InvalidInput, NotFound
from tests.conductor.conftest import Claimable
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import HEAD
from tests.conductor.serving import Rig, serving

CHARACTERS = Path(__file__).parents[2] / "characters"


async def types(pool: Pool) -> list[str]:
    return [row["type"] for row in await pool.fetch("SELECT type FROM events ORDER BY position")]


async def test_a_cancelled_issue_shuts_its_holder_out_and_stays_cancelled(
    rig: Rig, claimable: Claimable, pool: Pool
) -> None:
    issue = await claimable()
    ada, dev = await rig.caller("person", "ada"), await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    assert await ada.call("cancel_issue", issue=issue, reason="No need.") == {"state": "cancelled", "recorded": True}
    with pytest.raises(Fenced):
        await dev.call("heartbeat", claim=claim)
    await rig.labelled(1)
    assert (await ada.call("list_issues"))["result"][0]["state"] == "cancelled", "the old label starts nothing again"
    rig.github.label(1, setting=2)
    await rig.told({"repository": {"full_name": "acme/tally"}, "issue": {"number": 1}}, "issues")
    again = await dev.claim()
    assert (again["attempt"], again["claim"]["fence"]) == (2, claim["fence"] + 1)


async def test_work_is_taken_away_and_offered_again(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    ops, dev, other = await rig.caller("ops"), await rig.caller("dev"), await rig.caller("dev", "dev-x")
    claim = (await dev.claim())["claim"]
    assert (await ops.call("reassign_issue", issue=issue, reason="slow"))["state"] == "queued"
    assert (await other.claim())["claim"]["issue"] == issue
    with pytest.raises(Fenced, match="dev-x has it now"):
        await dev.call("complete_assignment", claim=claim)


async def test_a_priority_decides_what_is_given_next(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    urgent = await claimable()
    ada = await rig.caller("person", "ada")
    await ada.call("prioritize_issue", issue=urgent, priority="critical")
    assert (await ada.claim())["claim"]["issue"] == urgent


async def test_an_escalated_issue_is_tried_again_when_a_person_says_so(
    rig: Rig, claimable: Claimable, pool: Pool
) -> None:
    issue = await claimable()
    ada = await rig.caller("person", "ada")
    with pytest.raises(Conflict, match="does not wait for a decision"):
        await ada.call("decide_gate", issue=issue, approve=True)
    for name in ("dev-e", "dev-x"):
        dev = await rig.caller("dev", name)
        await dev.call("report_stuck", claim=(await dev.claim())["claim"], reason="cannot")
    said = await ada.call("explain_issue", issue=issue)
    assert said["waits_for"] == ["A person has to decide: 2 attempts failed."]
    assert (await ada.call("approve_issue", issue=issue))["state"] == "queued"
    assert (await ada.call("approve_issue", issue=issue))["recorded"] is False


async def test_merging_on_demand_looks_now_and_says_what_it_waits_for(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    ada, dev, reviewer = await rig.caller("person", "ada"), await rig.caller("dev"), await rig.caller("review")
    work = await dev.claim()
    rig.show_pull(work, labels=["manual-merge"])
    await dev.call("report_event", type="PR_CREATED", claim=work["claim"], data={"number": 34, "head_sha": HEAD})
    await dev.call("complete_assignment", claim=work["claim"])
    assert (await ada.call("merge_pull_request", issue=issue))["state"] == "in_review"
    review = await reviewer.claim()
    verdict: dict[str, Any] = {"head_sha": HEAD, "verdict": "approve", "summary": "Fine."}
    await reviewer.call("submit_review", claim=review["claim"], **verdict)
    assert (await ada.call("merge_pull_request", issue=issue))["state"] == "ready_to_merge"
    said = await ada.call("explain_issue", issue=issue)
    assert said["waits_for"] == [
        "The label `manual-merge` leaves the merge to a person: merge it on GitHub, or remove the label."
    ]
    rig.show_pull(work)
    assert (await ada.call("merge_pull_request", issue=issue))["state"] in ("merging", "done")


async def test_what_is_over_has_no_priority(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    ada = await rig.caller("person", "ada")
    await ada.call("cancel_issue", issue=issue, reason="No.")
    with pytest.raises(IllegalTransition, match="while the issue is cancelled"):
        await ada.call("prioritize_issue", issue=issue, priority="high")


@pytest.mark.parametrize("scope", ["rig", "Acme/Tally", "agent:dev-e"])
async def test_a_pause_holds_new_work_back_until_it_ends(
    rig: Rig, claimable: Claimable, pool: Pool, scope: str
) -> None:
    ops, dev = await rig.caller("ops"), await rig.caller("dev")
    assert await dev.claim() is None, "from now on the agent is known"
    await claimable()
    assert await ops.call("pause", scope=scope, reason="Lunch.") == {"scope": scope, "paused": True}
    assert await dev.claim() is None
    once = {"rig/request_id": "r"}
    assert await ops.call("resume", once, scope=scope) == {"scope": scope, "paused": False}
    assert await ops.call("resume", once, scope=scope) == {"scope": scope, "paused": False}
    assert await dev.claim()
    assert await types(pool) == ["ISSUE_APPROVED", "RIG_PAUSED", "RIG_RESUMED", "ISSUE_ASSIGNED"]
    with pytest.raises(NotFound, match="is not paused"):
        await ops.call("resume", scope=scope)


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("agent:dev-e-pyton", "There is no agent:dev-e-pyton; did you mean agent:dev-e-python? There are rig, "),
        ("acme/talli", "There is no acme/talli; did you mean acme/tally?"),
        ("zzz/zzz", "There is no zzz/zzz. There are rig, "),
    ],
)
async def test_what_does_not_exist_is_not_said_to_be_paused(
    database_url: str, tmp_path: Path, pool: Pool, scope: str, words: str
) -> None:
    shutil.copytree(CHARACTERS, tmp_path / "characters")
    async with serving(database_url, tmp_path, MemoryGitHub()) as rig:
        ops = await rig.caller("ops")
        with pytest.raises(NotFound) as refused:
            await ops.call("pause", scope=scope, reason="Stop!")
    assert str(refused.value).startswith(words)
    assert await types(pool) == []


async def test_a_renamed_repository_is_paused_by_any_of_its_names(rig: Rig, claimable: Claimable, pool: Pool) -> None:
    await claimable()
    rig.github.renamed["acme/tally"] = "acme/count"
    before = {"repository": {"name": {"from": "tally"}}}
    renamed = {"action": "renamed", "repository": {"full_name": "acme/count", "id": 77}, "changes": before}
    await rig.told(renamed, "repository")
    assert (await (await rig.caller("ops")).call("pause", scope="acme/tally"))["scope"] == "acme/count"
    assert await (await rig.caller("dev")).claim() is None


async def test_a_pause_is_explained(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    ops = await rig.caller("ops", "grace")
    await ops.call("pause", reason="Lunch.")
    assert "rig is paused by grace: Lunch." in (await ops.call("explain_issue", issue=issue))["text"]


async def test_what_keeps_an_issue_waiting_is_said_alike_everywhere(rig: Rig, claimable: Claimable) -> None:
    issue = await claimable()
    ops, ada = await rig.caller("ops", "grace"), await rig.caller("person", "ada")
    await ops.call("pause", scope="acme/tally", reason="Freeze.")
    said = (await ada.call("explain_issue", issue=issue))["waits_for"]
    assert said[1:] == ["acme/tally is paused by grace: Freeze."]
    assert (await ada.call("get_issue", issue=issue))["waits_for"] == said
    assert [one["waits_for"] for one in (await ada.call("list_issues"))["result"]] == [said]


@pytest.mark.parametrize(("scope", "said"), [("acme/other", False), ("Acme/Tally", True), ("agent:dev-e", True)])
async def test_only_a_pause_of_what_an_issue_needs_explains_it(
    rig: Rig, claimable: Claimable, pool: Pool, scope: str, said: bool
) -> None:
    issue = await claimable()
    pause = "INSERT INTO pauses (scope, by, reason) VALUES (lower($1), 'grace', 'Lunch.')"
    await pool.execute(pause, scope)
    ops = await rig.caller("ops", "grace")
    assert ("is paused by grace: Lunch." in (await ops.call("explain_issue", issue=issue))["text"]) == said


FACT: dict[str, Any] = {"stream": "agent-dev-e", "type": "MEMORY_READ", "data": {"query": "q", "agent": "dev-e"}}


class TestRecording:
    async def test_keeps_what_other_servers_learned_once(self, rig: Rig, pool: Pool) -> None:
        memory = await rig.caller("service", "memory")
        for _ in range(2):
            await memory.call("record", {"rig/request_id": "r"}, **FACT)
        assert await types(pool) == ["MEMORY_READ"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"stream": "issue-77-1"},
            {"stream": ""},
            {"type": "ISSUE_DONE"},
            {"type": "NO_SUCH"},
            {"data": {"query": 1}},
            {"data": {}},
        ],
        ids=str,
    )
    async def test_refuses_what_is_not_the_servers_to_tell(self, rig: Rig, pool: Pool, changes: Any) -> None:
        memory = await rig.caller("service", "memory")
        with pytest.raises(InvalidInput):
            await memory.call("record", **FACT | changes)
        assert await types(pool) == []
