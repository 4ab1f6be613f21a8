"""What people attach to a conversation."""

from __future__ import annotations

import json
from typing import Any

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from servers.kit.client import PROTOCOL
from tests.conductor.conftest import Claimable
from tests.conductor.serving import Rig


async def test_an_issue_and_the_agents_are_resources_and_prompts_say_how_to_work(
    rig: Rig, claimable: Claimable
) -> None:
    await claimable()
    dev = await rig.caller("dev")
    claim = (await dev.claim())["claim"]
    await dev.call("heartbeat", claim=claim, step="reading")
    http = create_mcp_http_client(headers=rig.bearer("person"))
    transport = streamable_http_client(f"{rig.url}/mcp/conductor", http_client=http)
    async with Client(transport, mode=PROTOCOL) as client:
        issue = await read(client, "rig://issues/acme/tally/1")
        assert (issue["state"], issue["holder"]) == ("assigned", "dev-e")
        assert [agent["step"] for agent in await read(client, "rig://agents")] == ["reading"]
        assert await read(client, "rig://agents?role=review") == []
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
        assert prompts == {"pick_up_an_issue", "review", "status"}


async def read(client: Client, uri: str) -> Any:
    [content] = (await client.read_resource(uri)).contents
    return json.loads(getattr(content, "text", ""))
