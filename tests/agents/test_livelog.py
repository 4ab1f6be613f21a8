from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from agents import livelog
from agents.livelog import LiveLog
from servers.kit.errors import Fenced, RigError, Unavailable
from servers.kit.wake import background
from tests.agents.stage import Stage
from tests.fixtures_waiting import Eventually


@dataclass
class Receiver:
    """Takes batches, or fails as it is told to."""

    failures: list[RigError] = field(default_factory=list[RigError])
    batches: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])
    held: asyncio.Event | None = None
    asked: int = 0

    async def __call__(self, lines: list[dict[str, Any]]) -> None:
        self.asked += 1
        if self.held:
            await self.held.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(lines)

    @property
    def texts(self) -> list[str]:
        return [line["text"] for batch in self.batches for line in batch]


async def test_lines_go_in_order_and_together_with_what_is_said_along_with_them(eventually: Eventually) -> None:
    receiver = Receiver()
    live = LiveLog(receiver)
    async with background(live.run()):
        live.step("working")
        live.say("I look.")
        live.say("   ")
        await eventually(lambda: receiver.batches)
        live.say("It is wrong.")
        await eventually(lambda: len(receiver.batches) == 2)
    assert receiver.texts == ["working", "I look.", "It is wrong."]
    assert [line["step"] for line in receiver.batches[0]] == [True, False]


async def test_what_was_said_while_a_batch_was_under_way_is_the_next_one(eventually: Eventually) -> None:
    receiver = Receiver(held=asyncio.Event())
    live = LiveLog(receiver, gather_seconds=0)
    async with background(live.run()):
        live.say("first")
        await asyncio.sleep(0)
        for number in range(500):
            live.say(str(number))
        assert receiver.held
        receiver.held.set()
        await eventually(lambda: len(receiver.texts) == 501)
    assert receiver.texts == ["first", *map(str, range(500))]
    assert max(map(len, receiver.batches)) == livelog.AT_ONCE


async def test_lines_wait_for_a_conductor_that_is_away_and_say_how_old_they_are() -> None:
    receiver = Receiver(failures=[Unavailable("away")])
    now = [100.0]
    live = LiveLog(receiver, lambda: now[0])
    live.say("early")
    await live.flush()
    assert receiver.batches == []
    now[0] = 107.5
    live.say("late")
    await live.flush()
    assert [(line["text"], line["ago"]) for line in receiver.batches[0]] == [("early", 7.5), ("late", 0)]


async def test_what_is_refused_is_given_up_and_the_oldest_are_lost_when_there_are_too_many() -> None:
    receiver = Receiver(failures=[Fenced("over")])
    live = LiveLog(receiver)
    live.say("unwanted")
    live.say("unwanted too")
    await live.flush()
    assert (live.lost, receiver.batches) == (2, [])
    for number in range(livelog.MOST_WAITING + 3):
        live.say(str(number))
    await live.flush()
    assert live.lost == 5
    assert receiver.texts[0] == "3"


async def test_a_receiver_that_hangs_keeps_nobody_from_leaving() -> None:
    live = LiveLog(Receiver(held=asyncio.Event()))
    live.say("x")
    async with asyncio.timeout(5):
        await live.flush(0.05)
    assert [line.text for line in live.recent] == ["x"]


async def test_what_is_under_way_when_a_run_ends_is_not_sent_again(eventually: Eventually) -> None:
    receiver = Receiver(held=asyncio.Event())
    live = LiveLog(receiver, gather_seconds=0)
    async with live.sending():
        live.say("under way")
        await eventually(lambda: receiver.asked)
        live.say("left")
        assert receiver.held
        asyncio.get_running_loop().call_later(0.05, receiver.held.set)
    assert receiver.texts == ["under way", "left"]


async def test_lines_that_are_sent_again_are_known_by_their_numbers() -> None:
    receiver = Receiver(failures=[Unavailable("no answer")])
    live, later = LiveLog(receiver), LiveLog(receiver)
    live.say("first")
    await live.flush()
    live.say("second")
    await live.flush()
    later.say("of the process that goes on")
    await later.flush()
    numbers = [line["number"] for batch in receiver.batches for line in batch]
    assert numbers[1] == numbers[0] + 1
    assert len(set(numbers)) == 3


async def test_credentials_and_endless_texts_do_not_leave() -> None:
    receiver = Receiver()
    live = LiveLog(receiver)
    live.say("Bearer sk-ant-api03-abcdefghijkl\n" + "long " * 1000)
    await live.flush()
    assert "sk-ant" not in receiver.texts[0]
    assert len(receiver.texts[0]) == livelog.LONGEST
    assert "sk-ant" not in live.recent[0].text


async def test_a_run_tells_its_steps_what_the_model_says_and_calls_and_how_it_ended(stage: Stage) -> None:
    stage.offer()
    assert await stage.run() == 0
    sent = stage.conductor.said("LOG")
    assert {said["run"] for said in sent} == {"0190-run"}
    lines = [line for said in sent for line in said["lines"]]
    assert [line["text"] for line in lines if line["step"]] == [
        "fetching the repository",
        "preparing the workspace",
        "working",
        "checking",
        "committing and pushing",
        "opening the pull request",
    ]
    texts = [line["text"] for line in lines if not line["step"]]
    assert "I will look." in texts
    assert "→ mcp__workspace__read_file {'path': 'app.py'}" in texts
    assert "← Replaced in app.py at line 2." in texts
    assert texts[-1].startswith("Done after 3 model calls, for $")
