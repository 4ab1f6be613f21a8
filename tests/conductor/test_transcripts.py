"""What models said is kept for whoever holds the work, and for nobody else."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from servers.kit.errors import Fenced, Forbidden, InvalidInput, Superseded
from tests.conductor.conftest import Claimable
from tests.conductor.serving import Agent, Rig

SAID = base64.b64encode(bytes(range(256))).decode()


async def get(agent: Agent, claim: Any, provider: str = "claude-cli") -> str | None:
    return (await agent.call("get_transcript", claim=claim, provider=provider))["content"]


async def keep(agent: Agent, claim: Any, content: str = SAID, provider: str = "claude-cli") -> None:
    await agent.call("keep_transcript", claim=claim, provider=provider, content=content)


async def test_what_was_kept_is_found_by_the_same_character_on_the_same_work(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev = await rig.caller("dev")
    first = (await dev.claim())["claim"]
    assert await get(dev, first) is None
    await keep(dev, first, "AAAA")
    await keep(dev, first)
    assert await get(dev, first) == SAID
    assert await get(dev, first, "codex-cli") is None

    pod = await rig.caller("dev", boot="2")
    later = (await pod.claim())["claim"]
    assert await get(pod, later) == SAID
    with pytest.raises(Superseded):
        await keep(dev, first, "AAAA")


async def test_nobody_reads_or_writes_without_the_claim(rig: Rig, claimable: Claimable) -> None:
    await claimable()
    dev, other, person = await rig.caller("dev"), await rig.caller("dev", "dev-x"), await rig.caller("person")
    claim = (await dev.claim())["claim"]
    await keep(dev, claim)
    for agent, error in ((other, Fenced), (person, Forbidden)):
        with pytest.raises(error):
            await get(agent, claim)
        with pytest.raises(error):
            await keep(agent, claim)
    with pytest.raises(Fenced):
        await keep(dev, claim | {"fence": 9})


@pytest.mark.parametrize("content", ["", "no base64!", "AAA", "A" * 2_600_004])
async def test_what_cannot_be_kept_is_refused(rig: Rig, claimable: Claimable, content: str) -> None:
    await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    with pytest.raises(InvalidInput):
        await keep(dev, claim, content)
    assert await get(dev, claim) is None
