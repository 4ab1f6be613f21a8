"""The one way in which a server of the rig declares its tools, and how a call is admitted."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, ParamSpec, TypeVar, cast

from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Resolve
from mcp.server.mcpserver.tools import Tool as ServedTool
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, Field, ValidationError

from servers.kit.auth import AGENT_ROLES, ROLES, Role
from servers.kit.errors import Forbidden, InvalidInput, NotFound, RigError, from_wire

P = ParamSpec("P")
R = TypeVar("R")

READ = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
WRITE = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
DESTRUCTIVE = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
READ_WORLD = READ.model_copy(update={"open_world_hint": True})
WRITE_WORLD = WRITE.model_copy(update={"open_world_hint": True})
DESTRUCTIVE_WORLD = DESTRUCTIVE.model_copy(update={"open_world_hint": True})


class Claim(BaseModel):
    """A handle on work that was claimed: it means something only beside its holder's token."""

    issue: str = Field(
        description="The issue, as owner/repo#12; of work that is no issue's, owner/repo~7",
        pattern=r"^[\w.-]+/[\w.-]+[#~]\d+$",
        max_length=300,
    )
    fence: int = Field(description="The number that claim_assignment answered", ge=1)

    @property
    def repository(self) -> str:
        """Where the work is, as owner/repo."""
        return re.split("[#~]", self.issue)[0]


@dataclass(frozen=True)
class Caller:
    """Who calls: subject and role from the token; the rest from `_meta`, set by the runtime and no model."""

    subject: str
    role: Role
    instance: str
    boot: str
    request_id: str | None
    claim: Claim | None
    token_id: str | None = None

    @property
    def is_agent(self) -> bool:
        """Agents must show a claim to write; people and servers need none."""
        return self.role in AGENT_ROLES


def caller_of(meta: Any) -> Caller:
    """The caller of the request that is being served; on stdio, the person at the keyboard.

    Raises:
        InvalidInput: `rig/claim` is no claim, or what is said is no name.
    """
    token = get_access_token()
    said = cast(dict[str, Any], meta or {})
    subject = (token.subject if token else None) or "local"
    return Caller(
        subject=subject,
        role=cast(Role, token.scopes[0]) if token else "person",
        instance=_name(said, "rig/instance", 200) or subject,
        boot=_name(said, "rig/boot", 100),
        request_id=_name(said, "rig/request_id", 100) or None,
        claim=_claim(said["rig/claim"]) if said.get("rig/claim") is not None else None,
        token_id=(token.claims or {}).get("jti") if token else None,
    )


def _name(said: dict[str, Any], key: str, limit: int) -> str:
    name = str(said.get(key) or "")[:limit]
    if not name.isprintable():
        raise InvalidInput(f"_meta {key} holds characters that no name has.")
    return name


def _claim(said: Any) -> Claim:
    try:
        return Claim.model_validate(said)
    except ValidationError as error:
        raise InvalidInput('_meta rig/claim is no claim, such as {"issue": "owner/repo#12", "fence": 3}.') from error


async def _caller(ctx: Context[Any, Any]) -> Caller:
    return caller_of(ctx.request_context.meta)


CallerDep = Annotated[Caller, Resolve(_caller)]


def state_of(ctx: Context[Any, Any]) -> Any:
    """What the server's `open` yielded: its store, clients and settings."""
    return ctx.request_context.lifespan_context


@dataclass(frozen=True)
class _Entry:
    fn: Callable[..., Awaitable[Any]]
    annotations: ToolAnnotations
    roles: frozenset[Role]
    at_hand: bool
    listed: bool


class Toolbox:
    """The tools of one server, each a module function, with who may call it.

    Args:
        name: The server's name, which is also its path (`/mcp/<name>`).
        instructions: What the server is for, in words for a model.
    """

    def __init__(self, name: str, instructions: str) -> None:
        self.name = name
        self.instructions = instructions
        self._entries: dict[str, _Entry] = {}

    def tool(
        self,
        annotations: ToolAnnotations,
        roles: Collection[Role] = ROLES,
        at_hand: bool = False,
        listed: bool = True,
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """Declare a module function as a tool that `roles` may call.

        Claude Code shows its model the tools that are `at_hand` from the start; others it has to search for. What is
        not `listed` no model is shown at all: it is for programs, which call it by its name.
        """

        def declare(fn: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            entry = _Entry(_with_wire_errors(fn), annotations, frozenset(roles), at_hand, listed)
            self._entries[fn.__name__] = entry
            return fn

        return declare

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self, role: Role | None = None) -> list[str]:
        """The tools, or those that `role` may call."""
        return sorted(n for n, e in self._entries.items() if role is None or role in e.roles)

    def shown(self, role: Role) -> frozenset[str]:
        """The tools that models of a role are shown."""
        return frozenset(name for name in self.names(role) if self._entries[name].listed)

    def server(self, name: str, **options: Any) -> MCPServer[Any]:
        """A server that has the tools and admits only callers whose role may use them; `options` are the SDK's."""
        return MCPServer[Any](name, tools=self._made, middleware=[self._admit], **options)

    @functools.cached_property
    def _made(self) -> list[ServedTool]:
        """The tools as the SDK has them; their schemas take half a second to make."""
        return [
            ServedTool.from_function(
                entry.fn,
                description=inspect.getdoc(entry.fn),
                annotations=entry.annotations,
                meta={"anthropic/alwaysLoad": True} if entry.at_hand else None,
                structured_output=False if _answers_text(entry.fn) else None,
            )
            for entry in self._entries.values()
        ]

    async def schemas(self) -> list[Tool]:
        """Every tool as `tools/list` shows it to a caller of all roles, sorted by name."""
        return sorted(await self._server.list_tools(), key=lambda t: t.name)

    async def call(self, name: str, arguments: dict[str, Any], state: Any, meta: dict[str, Any]) -> CallToolResult:
        """Call a tool as MCP would, for the other doors of the same server; refusals are `is_error` results."""
        if refusal := self._refusal(name, meta):
            return error_result(refusal)
        request = ServerRequestContext[Any, Any](
            session=cast(Any, None),  # no tool of the rig talks back to its caller
            lifespan_context=state,
            protocol_version="2026-07-28",
            method="tools/call",
            meta=cast(Any, meta),
        )
        try:
            context = Context[Any, Any](request_context=request, mcp_server=self._server)
            return cast(CallToolResult, await self._server.call_tool(name, arguments, context))
        except ToolError as error:
            return _plain(name, str(error))

    @functools.cached_property
    def _server(self) -> MCPServer[Any]:
        return self.server(self.name)

    async def _admit(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        match ctx.method:
            case "tools/list":
                return self._visible(await call_next(ctx))
            case "tools/call":
                params = ctx.params or {}
                name = str(params.get("name"))
                refusal = self._refusal(name, params.get("_meta"))
                return error_result(refusal) if refusal else _plain_error(name, await call_next(ctx))
            case _:
                return await call_next(ctx)

    def _visible(self, result: HandlerResult) -> HandlerResult:
        listed = ListToolsResult.model_validate(result)
        allowed = self.shown(caller_of(None).role)
        tools = sorted((tool for tool in listed.tools if tool.name in allowed), key=lambda tool: tool.name)
        return listed.model_copy(update={"tools": tools})

    def _refusal(self, name: str, meta: Any) -> RigError | None:
        entry = self._entries.get(name)
        if entry is None:
            return NotFound(f"There is no tool {name[:100]}; tools/list shows those you may call.")
        try:
            role = caller_of(meta).role
        except InvalidInput as error:
            return error
        if role not in entry.roles:
            return Forbidden(f"The role {role} may not call {name}; it needs {' or '.join(sorted(entry.roles))}.")
        return None


def error_result(error: RigError) -> CallToolResult:
    """A refusal as the tool's answer."""
    return CallToolResult(content=[TextContent(type="text", text=error.wire())], is_error=True)


def _plain_error(name: str, result: HandlerResult) -> HandlerResult:
    """The SDK's own failures in the form of ours."""
    if not isinstance(result, dict) or not result.get("isError"):
        return result  # the SDK hands its own answers on as JSON already
    failed = CallToolResult.model_validate(result)
    text = "".join(block.text for block in failed.content if isinstance(block, TextContent))
    return _plain(name, text) if text.startswith(f"Error executing tool {name}") else result


def _plain(name: str, text: str) -> CallToolResult:
    """Bad arguments as invalid_input, a refusal of ours as it is, a crash without detail."""
    detail = text.removeprefix(f"Error executing tool {name}").removeprefix(": ")
    if not detail:
        return error_result(RigError("The server failed while it worked on this call; its log says why."))
    if _CODED.match(detail):
        return error_result(from_wire(detail))
    return error_result(InvalidInput(_problems(detail)))


def _problems(detail: str) -> str:
    """What pydantic complains of, as `argument: what is wrong`, without the value that was given."""
    header, _, listed = detail.partition("\n")
    if not re.match(r"\d+ validation errors? for ", header):
        return " ".join(detail.split())
    found = [(where, what.removeprefix("Value error, ")) for where, what in _PROBLEM.findall(listed)]
    return "; ".join(f"{where}: {what}" if where else what for where, what in found) or header


def _answers_text(fn: Callable[..., Any]) -> bool:
    """Text is answered as text, not as a structure with one field of text."""
    return inspect.signature(fn, eval_str=True).return_annotation is str


_CODED = re.compile(r"[a-z_]+: ")
_PROBLEM = re.compile(r"^(?:(\S.*)\n)?  (\S.*?)(?: \[type=.*)?$", re.MULTILINE)


def _with_wire_errors(fn: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R | CallToolResult]]:
    @functools.wraps(fn)
    async def tool(*args: P.args, **kwargs: P.kwargs) -> R | CallToolResult:
        try:
            return await fn(*args, **kwargs)
        except RigError as error:
            return error_result(error)

    return tool
