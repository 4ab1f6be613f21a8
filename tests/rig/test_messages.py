"""`rig message` and `rig messages`, against a conductor."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.serving import serving
from tests.rig.test_runs import rig_says


async def test_a_person_steers_a_running_agent_sees_when_it_read_that_and_gets_its_answer(
    database_url: str, tmp_path: Path
) -> None:
    async with serving(database_url, tmp_path, MemoryGitHub()) as rig:
        await rig.labelled()
        dev = await rig.caller("dev")
        claim = (await dev.call("claim_assignment"))["assignment"]["claim"]
        assert "Sent as 1." in await rig_says(rig, "message", claim["issue"], "Mind the [bold]tests\x1b[2J.")
        waiting = await rig_says(rig, "messages", "--sent")
        assert waiting.count("not yet") == 2
        assert "Mind the [bold]tests\N{REPLACEMENT CHARACTER}[2J." in waiting
        (letter,) = (await dev.call("heartbeat", claim=claim))["messages"]
        await dev.call("heartbeat", claim=claim, read=[letter["id"]])
        [seen] = json.loads(await rig_says(rig, "messages", "--sent", "--json"))
        assert (seen["delivered_to"], seen["read_at"] is not None) == ("dev-e-1", True)
        await dev.call("send_message", to="ada", text="They are green.")
        assert "They are green." in await rig_says(rig, "messages")
        assert (await rig_says(rig, "messages")).strip() == "No messages."
