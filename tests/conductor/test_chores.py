"""Work that is no issue's, over HTTP: offered once, held by one, answered, given back, given up."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from conductor.dispatch.chores import Chore, Chores
from conductor.issues.rubric import CRITERIA
from conductor.store.writer import Store
from servers.kit.character import load_all
from servers.kit.database import Pool
from servers.kit.errors import Fenced, InvalidInput, NotFound, RigError, Superseded
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY
from tests.conductor.serving import Agent, Rig, serving
from tests.fixtures_waiting import Eventually

CHARACTERS = Path(__file__).parents[2] / "characters"
TAKEN = """
UPDATE chores SET state = 'held', instance = 'i', claimed_at = now() - interval '2 minutes',
                  lease_until = now() - interval '2 minutes', heartbeat_at = CASE WHEN $1 THEN now() END
"""
EVENTS = "SELECT type FROM events WHERE type LIKE 'CHORE%' ORDER BY position"


@pytest.fixture
async def rig(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig]:
    shutil.copytree(CHARACTERS, tmp_path / "characters")
    async with serving(database_url, tmp_path, MemoryGitHub()) as rig:
        yield rig


@pytest.fixture
def queue(store: Store) -> Chores:
    return Chores(store, load_all(CHARACTERS))


async def asked(rig: Rig, text: str = "Why does nothing move?") -> Agent:
    ada = await rig.caller("person", "ada")
    await ada.call("send_message", to="conductor-e", text=text)
    return ada


async def test_a_question_is_answered_once_to_whoever_asked(rig: Rig) -> None:
    ada, answerer = await asked(rig), await rig.caller("support", "conductor-e")
    [question] = (await ada.call("read_messages", sent=True))["result"]
    assert question["delivered_at"] == question["read_at"] is not None
    work = await answerer.claim()
    assert (work["kind"], work["claim"]["issue"], work["body"]) == ("answer", "rig/rig~1", "Why does nothing move?")
    assert await answerer.claim() == work
    claim = work["claim"]
    await answerer.call("heartbeat", claim=claim, step="reading")
    await answerer.call("report_event", type="WORK_STARTED", claim=claim)
    with pytest.raises(InvalidInput, match=r"data\.answer: Field required"):
        await answerer.call("complete_assignment", claim=claim)
    for recorded in (True, False):
        said = await answerer.call("complete_assignment", claim=claim, result={"answer": "It is paused."})
        assert said["recorded"] is recorded
    [answer] = (await ada.call("read_messages"))["result"]
    assert (answer["sender"], answer["text"]) == ("conductor-e", "It is paused.")
    assert await answerer.claim() is None
    types = [row["type"] for row in await rig.pool.fetch(EVENTS)]
    assert types == ["CHORE_ASSIGNED", "CHORE_DONE"]
    [run] = (await ada.call("list_runs", issue="rig/rig~1"))["result"]
    assert (run["issue"], run["agent"], run["kind"]) == ("rig/rig~1", "conductor-e", "answer")
    with pytest.raises(NotFound, match="does not know rig/rig~2"):
        await ada.call("list_runs", issue="rig/rig~2")


async def test_an_answer_about_an_issue_is_a_comment_there_too(rig: Rig, eventually: Eventually) -> None:
    key = await rig.labelled()
    ada, answerer = await rig.caller("person", "ada"), await rig.caller("support", "conductor-e")
    await ada.call("send_message", to="conductor-e", text="When?", issue=key)
    work = await answerer.claim()
    assert (work["repository"], work["about"]) == (REPOSITORY, key)
    await answerer.call("complete_assignment", claim=work["claim"], result={"answer": "Soon, @ada."})
    await eventually(lambda: len(rig.github.said) == 1)
    number, body = rig.github.said[0]
    assert number == 1
    assert body.startswith("Soon, @\u200bada.")


async def test_a_chore_is_for_its_character_alone_and_for_one_process_of_it(rig: Rig) -> None:
    await asked(rig)
    assert await (await rig.caller("support", "somebody")).claim() is None
    assert await (await rig.caller("dev", "dev-e-python")).claim() is None
    first, second = [await rig.caller("support", "conductor-e", boot) for boot in ("1", "2")]
    work = await first.claim()
    taken = await second.claim()
    assert taken["claim"] == {"issue": work["claim"]["issue"], "fence": 2}
    with pytest.raises(Superseded):
        await first.call("heartbeat", claim=work["claim"])
    with pytest.raises(Superseded):
        await first.call("complete_assignment", claim=work["claim"], result={"answer": "x"})
    service = await rig.caller("service")
    who = {"agent": "conductor-e", "instance": "conductor-e-1"}
    checked = [
        (await service.call("check_claim", claim=one, boot=boot, **who))["valid"]
        for one, boot in ((work["claim"], "1"), (taken["claim"], "2"))
    ]
    assert checked == [False, True]


async def test_what_fails_twice_is_given_to_nobody_again(rig: Rig) -> None:
    ada, answerer = await asked(rig), await rig.caller("support", "conductor-e")
    stuck: dict[str, Any] = {"reason": "No tool for it.", "error_class": "x", "evidence": "e"}
    first = await answerer.claim()
    await answerer.call("report_stuck", claim=first["claim"], **stuck)
    with pytest.raises(Fenced):
        await answerer.call("heartbeat", claim=first["claim"])
    second = await answerer.claim()
    assert (second["attempt"], second["feedback"]) == (2, "No tool for it.\ne")
    await answerer.call("release_assignment", claim=second["claim"], reason="told to stop")
    third = await answerer.claim()
    await answerer.call("report_stuck", claim=third["claim"], **stuck)
    assert await answerer.claim() is None
    assert [row["type"] for row in await rig.pool.fetch(EVENTS)][-1] == "CHORE_FAILED"
    [told] = (await ada.call("read_messages"))["result"]
    assert told["sender"] == "conductor"
    assert "could not answer your question “Why does nothing move?”: No tool for it.\ne" in told["text"]


async def test_nothing_is_handed_out_while_its_character_is_paused(rig: Rig) -> None:
    ada, answerer = await asked(rig), await rig.caller("support", "conductor-e")
    await ada.call("pause", scope="agent:conductor-e")
    assert await answerer.claim() is None
    await ada.call("resume", scope="agent:conductor-e")
    assert await answerer.claim() is not None


async def test_a_handle_that_is_nobodys_is_refused(rig: Rig) -> None:
    answerer = await rig.caller("support", "conductor-e")
    for handle in ("rig/rig~7", "rig/rig~99999999999999999999"):
        with pytest.raises(RigError, match="chore"):
            await answerer.call("heartbeat", claim={"issue": handle, "fence": 1})


async def test_scores_are_kept_by_criterion_and_refused_where_one_is_missing(rig: Rig, queue: Chores) -> None:
    judge = await rig.caller("review", "judge-e")
    about = {"author": "dev-e-python", "head": "a" * 40}
    await queue.offer(Chore("judge", "judge-e", "judge:1", "t", "b", REPOSITORY, f"{REPOSITORY}#1", about))
    work = await judge.claim()
    scores = {name: {"score": 4, "reason": "Good."} for name in CRITERIA}
    partly = {name: score for name, score in scores.items() if name != "docs"}
    for wrong in (partly, scores | {"style": scores["docs"]}, scores | {"docs": {"score": 6, "reason": "x"}}):
        with pytest.raises(InvalidInput):
            await judge.call("complete_assignment", claim=work["claim"], result={"scores": wrong})
    await judge.call("complete_assignment", claim=work["claim"], summary="Fine.", result={"scores": scores})
    [quality] = (await judge.call("get_quality"))["result"]
    assert quality["agent"] == "dev-e-python"
    assert quality["judged"] == 1
    assert quality["scores"] == dict.fromkeys(CRITERIA, 4.0)


async def test_a_lapsed_claim_costs_a_strike_only_once_it_was_begun(queue: Chores, pool: Pool) -> None:
    await queue.offer(Chore("chore", "architect-e", "k", "t", "b"))
    assert not await queue.offer(Chore("chore", "architect-e", "k", "t", "b"))
    for began, state, strikes in ((False, "open", 0), (True, "open", 1), (True, "failed", 2)):
        await pool.execute(TAKEN, began)
        assert await queue.expire(30, 60) == 1
        [row] = await pool.fetch("SELECT state, strikes FROM chores")
        assert tuple(row) == (state, strikes)
    assert await queue.expire(30, 60) == 0
