"""Messages: to an agent, a person, or whoever has an issue; handed out with heartbeats, and their receipts."""

from __future__ import annotations

from typing import Any

import pytest

from servers.kit.errors import RigError
from tests.conductor.conftest import Claimable
from tests.conductor.serving import Agent, Rig


async def working(rig: Rig, claimable: Claimable, subject: str = "dev-e", boot: str = "1") -> tuple[Agent, Any]:
    await claimable()
    agent = await rig.caller("dev", subject, boot)
    return agent, (await agent.claim())["claim"]


async def receipts(person: Agent) -> list[tuple[str, bool, bool]]:
    found = (await person.call("read_messages", sent=True))["result"]
    return [(one["text"], one["delivered_at"] is not None, one["read_at"] is not None) for one in found]


async def test_a_running_agent_is_handed_a_message_until_it_has_read_it(rig: Rig, claimable: Claimable) -> None:
    ada = await rig.caller("person", "ada")
    agent, claim = await working(rig, claimable)
    sent = await ada.call("send_message", to="dev-e", text="Mind the tests.")
    assert await receipts(ada) == [("Mind the tests.", False, False)]
    for _ in range(2):
        (letter,) = (await agent.call("heartbeat", claim=claim))["messages"]
        assert (letter["id"], letter["sender"], letter["role"]) == (sent["id"], "ada", "person")
    assert await receipts(ada) == [("Mind the tests.", True, False)]
    assert (await agent.call("heartbeat", claim=claim, read=[sent["id"]]))["messages"] == []
    assert await receipts(ada) == [("Mind the tests.", True, True)]


async def test_whoever_has_an_issue_is_handed_what_is_sent_to_it(rig: Rig, claimable: Claimable) -> None:
    ada = await rig.caller("person", "ada")
    agent, claim = await working(rig, claimable)
    await ada.call("send_message", to=claim["issue"], text="Keep it small.")
    assert [one["text"] for one in (await agent.call("heartbeat", claim=claim))["messages"]] == ["Keep it small."]


async def test_one_instance_of_a_character_is_handed_a_message_and_no_other(rig: Rig, claimable: Claimable) -> None:
    ada = await rig.caller("person", "ada")
    first, held = await working(rig, claimable)
    second = await rig.caller("dev", "dev-e")
    second.meta["rig/instance"] = "dev-e-2"
    await claimable()
    other = (await second.claim())["claim"]
    stranger, strange = await working(rig, claimable, "dev-f")
    await ada.call("send_message", to="dev-e", text="Mind the tests.")
    (letter,) = (await first.call("heartbeat", claim=held))["messages"]
    assert (await second.call("heartbeat", claim=other, read=[letter["id"]]))["messages"] == []
    assert (await stranger.call("heartbeat", claim=strange, read=[letter["id"]]))["messages"] == []
    assert await receipts(ada) == [("Mind the tests.", True, False)]
    await first.call("release_assignment", claim=held, reason="Done for today.")
    assert len((await second.call("heartbeat", claim=other))["messages"]) == 1


async def test_without_work_nothing_is_handed_out_but_a_reading_still_counts(rig: Rig, claimable: Claimable) -> None:
    ada = await rig.caller("person", "ada")
    agent, claim = await working(rig, claimable)
    sent = await ada.call("send_message", to="dev-e", text="Mind the tests.")
    await agent.call("heartbeat", claim=claim)
    await agent.call("release_assignment", claim=claim, reason="Done for today.")
    assert (await agent.call("heartbeat"))["messages"] == []
    await agent.call("heartbeat", read=[sent["id"]])
    assert await receipts(ada) == [("Mind the tests.", True, True)]


async def test_a_person_reads_once_and_the_agent_sees_that(rig: Rig, claimable: Claimable) -> None:
    ada = await rig.caller("person", "ada")
    agent, _ = await working(rig, claimable)
    await agent.call("send_message", to="ada", text="Which base?")
    assert [one["role"] for one in (await ada.call("read_messages"))["result"]] == ["dev"]
    assert (await ada.call("read_messages"))["result"] == []
    assert await receipts(agent) == [("Which base?", True, True)]


async def test_a_message_to_an_issue_that_the_rig_does_not_know_is_refused(rig: Rig) -> None:
    ada = await rig.caller("person", "ada")
    for unknown in ("acme/app#99", "acme#x"):
        with pytest.raises(RigError, match=unknown):
            await ada.call("send_message", to=unknown, text="Hello?")
    assert await receipts(ada) == []
