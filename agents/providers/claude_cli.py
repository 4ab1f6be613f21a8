"""Claude Code without a person: no tools but the run's, no settings but ours, a configuration folder of its own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from agents.conversation import AnyConversation
from agents.errors import BudgetExceeded, NoModel, Stuck, UsageLimited
from agents.providers import Answer, Usage
from agents.providers.claude_lines import Asking, ClaudeLines, Ended, Limited, Said
from agents.providers.cli import Lost, Seat, Setup, Start
from agents.providers.endpoint import NAME as SERVER
from agents.providers.endpoint import Endpoint
from agents.providers.hooks import GUARDED, SECONDS, denying, saying
from agents.providers.limits import epoch, reset_in_text, reset_of, speaks_of_limit
from agents.providers.program import Program
from agents.results import FINISH, GIVE_UP
from servers.kit.errors import RateLimited, Unavailable
from servers.kit.logs import get, redact
from servers.kit.money import Money

log = get(__name__)
NAME: Final = "claude-cli"
TOOLS_KEY: Final = "RIG_MODEL_TOOLS"
RETRIES = 2
TOOL_SECONDS = 3600
RESULT_TOKENS = 60_000
UNSEEN = Money.of("0.001")
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_MAX_RETRIES": str(RETRIES),
    "MCP_TIMEOUT": "30000",
    "MCP_TOOL_TIMEOUT": str(TOOL_SECONDS * 1000),
    "MAX_MCP_OUTPUT_TOKENS": str(RESULT_TOKENS),
}
CLOSED = re.compile(r"(?i)invalid api key|/login|oauth token|credit balance|authentication|not have access")
REFUSED = re.compile(r"(?i)usage policy|unable to respond to this request")
TOO_LONG = re.compile(r"(?i)prompt is too long|context (window|limit)")
UNKNOWN_SESSION = "No conversation found"


class ClaudeSeat(Seat):
    """One conversation with Claude Code, `claude --print`."""

    def __init__(self, conversation: AnyConversation, setup: Setup) -> None:
        super().__init__(conversation, setup, "claude")

    def endpoint(self) -> Endpoint:
        """The tools of the conversation; Claude Code ends by a hook once the result is taken."""
        return Endpoint(self._conversation, self._setup.price, self._setup.llm.max_tokens, self.denied)

    async def start(self, endpoint: Endpoint, words: str) -> Start:
        """How to start it; everything long goes by files."""
        texts = {
            "words.txt": words,
            "system.txt": self._conversation.brief.system,
            "mcp.json": json.dumps(_servers(endpoint.url)),
            "settings.json": json.dumps(_settings(self.guard)),
        }
        for name, text in texts.items():
            (self._home / name).write_text(text, encoding="utf-8")
        session = "--resume" if self.begun() else "--session-id"
        left = self._conversation.meter.left.usd
        argv = (
            *(self._setup.program, "--print", "--verbose"),
            *("--output-format", "stream-json", "--include-partial-messages"),
            *("--tools", "", "--strict-mcp-config", "--mcp-config", str(self._home / "mcp.json")),
            *("--allowedTools", f"mcp__{SERVER}__*", "--disable-slash-commands"),
            *("--setting-sources", "", "--settings", str(self._home / "settings.json")),
            *("--system-prompt-file", str(self._home / "system.txt"), "--model", self._setup.llm.model),
            *("--max-turns", str(max(self._conversation.meter.turns_left, 1))),
            *("--max-budget-usd", f"{float(left) + self._spent():.6f}"),
            *(session, self._session),
        )
        return Start(argv, self._environment(endpoint), self._work, self._home / "words.txt")

    async def listen(self, program: Program, endpoint: Endpoint) -> None:
        """Follow a process to its end."""
        lines, ended, until = ClaudeLines(), None, None
        before, counted = self._spent(), Money()
        try:
            async for line in program.lines():
                match lines.read(line):
                    case Said() as said:
                        counted += await self._count(endpoint.count, said)
                    case Limited(at):
                        until = at
                    case Ended() as ended:
                        break
                    case Asking() | None:
                        pass
        finally:
            if rest := lines.rest():
                counted += await self._count(self._conversation.count_lost, rest)
        if ended is None:
            code, said = await program.ended(), program.complaint[-500:] or "it said nothing"
            raise Unavailable(f"{self._setup.program} ended with {code}: {said}")
        await self._count_unseen(endpoint, Money.of(max(ended.usd - before, 0)), counted)
        self._judge(ended, until)

    async def _count(self, count: Callable[[Answer], Awaitable[None]], said: Said) -> Money:
        cost = self._setup.price.cost(said.usage)
        answer = Answer(said.text, said.uses, said.usage, cost, said.model or self._setup.llm.model, NAME)
        await count(answer)
        return cost

    async def _count_unseen(self, endpoint: Endpoint, spent: Money, counted: Money) -> None:
        """Count calls that the program makes for itself, such as to shorten a conversation; it tells only the sum."""
        if spent - counted > UNSEEN:
            answer = Answer("", (), Usage(), spent - counted, self._setup.llm.model, NAME)
            await endpoint.count(answer)

    def _judge(self, ended: Ended, until: Any) -> None:
        """Raise what an end means, unless the turn is over in good order."""
        meter = self._conversation.meter
        if ended.why in ("budget_exhausted", "error_max_budget_usd"):
            raise BudgetExceeded("run", "Claude Code reached the run's budget.", meter.cost, meter.limit)
        if ended.why in ("max_turns", "error_max_turns"):
            raise BudgetExceeded("run", "Claude Code reached the run's cap of model calls.", meter.cost, meter.limit)
        if ended.stop_reason == "refusal" or (ended.is_error and REFUSED.search(ended.text)):
            raise Stuck("model_refused", "The model refuses to work on this.")
        if ended.is_error and self._conversation.result is None:
            raise _meaning(ended, until, self._setup.patience)

    def _new_session(self) -> str:
        return str(uuid4())

    def _place(self) -> Path:
        project = re.sub(r"[^a-zA-Z0-9]", "-", str(self._work.resolve()))
        return self._home / "config" / "projects" / project / f"{self._session}.jsonl"

    def _file(self) -> Path | None:
        place = self._place()
        return place if place.exists() else None

    def _spent(self) -> float:
        """What the session cost so far by Claude Code's own account, which a resumed process adds to."""
        spent, file = 0.0, self._file()
        for line in file.read_bytes().splitlines() if file else []:
            if b'"cost-state"' in line:
                spent = _cost(line, spent)
        return spent

    def _environment(self, endpoint: Endpoint) -> dict[str, str]:
        own = {
            "HOME": str(self._home / "home"),
            "CLAUDE_CONFIG_DIR": str(self._home / "config"),
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(self._setup.llm.max_tokens),
            TOOLS_KEY: endpoint.token,
        }
        base = os.environ.get("ANTHROPIC_BASE_URL")
        return {**QUIET, **own, **self._setup.keys, **({"ANTHROPIC_BASE_URL": base} if base else {})}


def _servers(url: str) -> dict[str, Any]:
    header = {"Authorization": f"Bearer ${{{TOOLS_KEY}}}"}
    return {"mcpServers": {SERVER: {"type": "http", "url": url, "headers": header, "alwaysLoad": True}}}


def _settings(guard: str) -> dict[str, Any]:
    """Hooks: nothing but the run's tools is ever called, and the program ends once the result is taken."""
    stop = {"continue": False, "stopReason": "The result is taken.", "suppressOutput": True}
    return {
        "hooks": {
            "PreToolUse": [_hook(f"^(?!mcp__{SERVER}__)", denying()), _hook(GUARDED, guard)],
            "PostToolUse": [_hook(f"mcp__{SERVER}__({FINISH}|{GIVE_UP})", saying(stop))],
        }
    }


def _hook(matcher: str, command: str) -> dict[str, Any]:
    return {"matcher": matcher, "hooks": [{"type": "command", "command": command, "timeout": SECONDS}]}


def _cost(line: bytes, otherwise: float) -> float:
    try:
        said = json.loads(line)
        return float(said["totalCostUSD"]) if said["type"] == "cost-state" else otherwise
    except (ValueError, KeyError, TypeError):
        return otherwise


def _meaning(ended: Ended, until: Any, patience: timedelta) -> Exception:
    """What a failure is: a limit, a closed door, a mistake of ours, or a model that is away for a moment."""
    now, text = datetime.now(UTC), redact(ended.text)[:500] or ended.why
    if UNKNOWN_SESSION in text:
        return Lost(text)
    reset = epoch(until, now) or reset_in_text(text, now)
    if speaks_of_limit(text) or until is not None:
        return UsageLimited(NAME, reset or reset_of(text, now), text)
    if ended.status in (402, 429) and reset and reset - now > patience:
        return UsageLimited(NAME, reset, text)
    if ended.status in (401, 402, 403) or CLOSED.search(text):
        return NoModel(f"The model's API does not let us in: {text}")
    if TOO_LONG.search(text):
        return Stuck("context_window", "The conversation no longer fits into the model's context window.")
    if ended.status in (400, 404, 413, 422):
        return Stuck("model_error", f"The model's API refused the request: {text}")
    return RateLimited(text) if ended.status == 429 else Unavailable(text)
