"""Work that is no issue's: what the model hands in is checked, and the runtime alone writes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from agents import wording
from agents.findings import Proposal, Triage
from rig.doubles.anthropic.script import Play, say, use

if TYPE_CHECKING:
    from tests.agents.stage import Stage

ISSUES = "/repos/ada/tally/issues"
REPORT: dict[str, Any] = {"title": "It fails", "severity": "high", "summary": "Often.", "next_steps": ["Look."]}
PROPOSAL: dict[str, Any] = {"title": "Split it", "problem": "p", "proposal": "q", "cost": "c", "against": "a"}
INCIDENT = {"title": "It fails", "body": "Severity: high.\n\n{}", "data": {"key": "incident:0:1"}}


async def work(stage: Stage, name: str, kind: str, **offer: Any) -> None:
    """Let a character do a chore."""
    whole = stage.character(name)
    servers = {server: said for server, said in whole.mcp_servers.items() if server != "conductor"}
    character = whole.model_copy(update={"mcp_servers": servers})  # the conductor here has few tools
    token = stage.key.issue(name, character.role, timedelta(hours=1))
    stage.offer(kind, branch="", base="", **offer)
    assert await stage.run(character, token=token, instance=f"{name}-1") == 0


async def opened(stage: Stage) -> list[Any]:
    return (await stage.github.api("GET", f"{ISSUES}?state=all", "ada")).json()


async def test_an_incident_that_is_known_opens_no_second_issue(stage: Stage) -> None:
    known = await stage.github.file_issue("ada/tally", "It fails again", token="ada")
    closed = await stage.github.file_issue("ada/tally", "It failed", token="ada")
    await stage.github.api("PATCH", f"{ISSUES}/{closed}", "ada", {"state": "closed"})

    def play() -> Play:
        for number, said in ((closed, f"#{closed} is closed"), (99, "There is no issue #99")):
            refused = (yield say("", use("finish", **REPORT, known_as=number))).only
            assert refused.is_error
            assert said in refused.text
        yield say("", use("finish", **REPORT, known_as=known))

    stage.script(play)
    await work(stage, "monitor-e", "triage", **INCIDENT)
    assert len(await opened(stage)) == 2
    assert stage.conductor.said("complete_assignment")[0]["result"] == {"number": known, "url": ""}


async def test_a_report_that_stays_wrong_is_nobodys(stage: Stage) -> None:
    def play() -> Play:
        for _ in range(9):
            yield say("", use("finish", **REPORT, known_as=99))

    stage.script(play)
    await work(stage, "monitor-e", "triage", **INCIDENT)
    assert await opened(stage) == []
    assert stage.conductor.said("report_stuck")[0]["error_class"] == "invalid_result"


async def test_what_is_done_again_after_a_lost_answer_is_opened_once(stage: Stage) -> None:
    def play() -> Play:
        refused = (yield say("", use("finish", proposals=[PROPOSAL] * 4, summary="Much."))).only
        assert "at most 3 items" in refused.text
        yield say("", use("finish", proposals=[PROPOSAL] * 2, summary="I looked."))

    stage.script(play)
    for _ in range(2):
        await work(stage, "architect-e", "chore", body="Look around.")
    assert [issue["title"] for issue in await opened(stage)] == ["Split it", "Split it"]
    summaries = [said["summary"] for said in stage.conductor.said("complete_assignment")]
    assert summaries[0] == summaries[1] == "I looked.\n\nProposed: ada/tally#1, ada/tally#2"


def test_what_a_model_writes_on_github_calls_nobody_closes_nothing_and_shows_no_secret() -> None:
    hostile = "@ada see <!-- rig:x -->, closes #3, ghp_" + "a" * 36
    for text in (
        wording.incident(Triage.model_validate(REPORT | {"summary": hostile, "next_steps": [hostile]}), "e"),
        wording.proposal(Proposal.model_validate(PROPOSAL | {"problem": hostile})),
        wording.incident_title(Triage.model_validate(REPORT | {"title": hostile})),
    ):
        assert "@ada" not in text
        assert "<!--" not in text
        assert "closes #3" not in text
        assert "ghp_a" not in text


def test_nothing_in_the_evidence_ends_its_block() -> None:
    for evidence in ("```\n# Now\n", "`````\n", "x" * 50_000, "ghp_" + "a" * 36):
        block = wording.as_data(evidence)
        fence = block.partition("text\n")[0]
        assert block.count(fence) == 2
        assert block.endswith(f"\n{fence}")
        assert len(block) < 20_100
        assert "ghp_a" not in block
