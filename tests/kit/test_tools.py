"""Who may call what is decided by the token, and every failure has the rig's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import TextContent

from servers.kit.auth import Role
from servers.kit.errors import Fenced, Forbidden, InvalidInput, NotFound, RigError
from servers.kit.tools import READ, Claim, Toolbox, caller_of

if TYPE_CHECKING:
    from .conftest import Served

CLAIM = {"issue": "owner/repo#12", "fence": 3}


async def test_the_caller_is_who_the_token_names(served: Served) -> None:
    async with served.client("review") as client:
        meta = {"rig/instance": "dev-e-1", "rig/boot": "b", "rig/request_id": "r", "rig/claim": CLAIM}
        said = await client.call("who", meta=meta)
    assert said.pop("token_id")
    assert said == {
        "subject": "dev-e",
        "role": "review",
        "instance": "dev-e-1",
        "boot": "b",
        "request_id": "r",
        "fence": 3,
    }


async def test_nobody_becomes_somebody_else_by_an_argument(served: Served) -> None:
    async with served.client("dev") as client:
        said = await client.call(
            "who", {"subject": "ada", "role": "ops", "caller": {"role": "ops"}}, {"subject": "ada", "role": "ops"}
        )
    assert (said["subject"], said["role"]) == ("dev-e", "dev")


@pytest.mark.parametrize(("role", "dangerous"), [("dev", False), ("hook", False), ("ops", True), ("person", True)])
async def test_a_role_sees_and_calls_only_its_tools(served: Served, role: Role, dangerous: bool) -> None:
    async with served.client(role) as client:
        assert ("danger" in [tool.name for tool in await client.list_tools()]) is dangerous
        if dangerous:
            assert await client.call("danger") == {"done": True}
        else:
            with pytest.raises(Forbidden, match="may not call danger; it needs ops or person"):
                await client.call("danger")


async def test_the_list_is_sorted_and_annotated(served: Served) -> None:
    async with served.client() as client:
        tools = await client.list_tools()
    assert [tool.name for tool in tools] == sorted(tool.name for tool in tools)
    assert all(tool.annotations is not None for tool in tools)
    assert not [tool.name for tool in tools if {"caller", "state"} & tool.input_schema["properties"].keys()]


async def test_text_is_answered_as_text_and_not_as_a_structure(served: Served) -> None:
    async with served.client() as client:
        assert await client.call("echo", {"text": "hello"}) == "hello"
        [echo] = [tool for tool in await client.list_tools() if tool.name == "echo"]
    assert echo.output_schema is None


@pytest.mark.parametrize(
    ("tool", "arguments", "error", "said"),
    [
        ("refuse", {}, Fenced, "Somebody else has it. Stop."),
        ("count", {"by": "many"}, InvalidInput, "^by: Input should be a valid integer, unable to parse[^\\[]*$"),
        ("count", {"by": None}, InvalidInput, "by"),
        ("echo", {}, InvalidInput, "^text: Field required$"),
        ("echo", {"text": ["a"]}, InvalidInput, "text"),
        ("nothing", {}, NotFound, "There is no tool nothing"),
        ("", {}, NotFound, "There is no tool"),
        ("x" * 10_000, {}, NotFound, "There is no tool"),
        ("__init__", {}, NotFound, "There is no tool"),
        ("crash", {}, RigError, "its log says why"),
    ],
)
async def test_a_failure_has_the_rig_s_form(
    served: Served, tool: str, arguments: dict[str, Any], error: type[RigError], said: str
) -> None:
    async with served.client() as client:
        with pytest.raises(error, match=said) as caught:
            await client.call(tool, arguments)
    assert type(caught.value) is error
    assert len(str(caught.value)) < 1000
    assert "errors.pydantic.dev" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "claim",
    [
        5,
        "owner/repo#12",
        [],
        [CLAIM],
        {},
        {"issue": "x", "fence": 1},
        CLAIM | {"fence": "x"},
        CLAIM | {"fence": 0},
        False,
        "",
    ],
    ids=str,
)
async def test_a_claim_that_is_none_is_refused_clearly(served: Served, claim: Any) -> None:
    async with served.client() as client:
        with pytest.raises(InvalidInput, match="rig/claim is no claim"):
            await client.call("count", {}, {"rig/claim": claim})
    assert served.state.calls == 0


async def test_other_hostile_meta_does_no_harm(served: Served) -> None:
    async with served.client() as client:
        said = await client.call(
            "who", {}, {"rig/instance": {"a": [1]}, "rig/boot": "b" * 10_000, "rig/request_id": 5, "rig/claim": None}
        )
    assert said["instance"] == "{'a': [1]}"
    assert len(said["boot"]) == 100
    assert said["request_id"] == "5"


@pytest.mark.parametrize("issue", ["o/r#1", "my-org/my.repo_1#99999"])
def test_a_claim_names_an_issue(issue: str) -> None:
    assert Claim(issue=issue, fence=1).issue == issue


@pytest.mark.parametrize("issue", ["", "o/r", "o/r#", "o#1", "o/r#x", "o/r#1\n", "a b/c#1", "o/r/s#1", "../r#1;x"])
def test_what_names_no_issue_is_no_claim(issue: str) -> None:
    with pytest.raises(ValueError):
        Claim(issue=issue, fence=1)


def test_on_stdio_the_caller_is_the_person_at_the_keyboard() -> None:
    caller = caller_of(None)
    assert (caller.subject, caller.role, caller.instance) == ("local", "person", "local")
    assert not caller.is_agent


async def test_both_eras_of_the_protocol_are_served(served: Served) -> None:
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {served.token('hook')}"})
    for mode in ("2026-07-28", "legacy", "auto"):
        async with http, Client(streamable_http_client(f"{served.url}/mcp/sample", http_client=http), mode=mode) as c:
            assert "danger" not in [tool.name for tool in (await c.list_tools()).tools]
            refused = await c.call_tool("danger", {})
            [block] = refused.content
            assert refused.is_error
            assert isinstance(block, TextContent)
            assert block.text.startswith("forbidden: ")
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {served.token('hook')}"})


async def test_a_toolbox_tells_its_names_by_role() -> None:
    box = Toolbox("box", "")

    @box.tool(READ, roles={"ops"})
    async def only_ops() -> str:
        """Only for ops."""
        return ""

    @box.tool(READ)
    async def everybody() -> str:
        """For everybody."""
        return ""

    assert await only_ops() == await everybody()
    assert box.names() == ["everybody", "only_ops"]
    assert box.names("dev") == ["everybody"]
    assert [tool.name for tool in await box.schemas()] == ["everybody", "only_ops"]
