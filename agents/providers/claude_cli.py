"""Claude Code without a person: no tools but the run's, no settings but ours, a configuration folder of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from agents.conversation import AnyConversation
from agents.errors import BudgetExceeded, NoModel, Stuck, UsageLimited
from agents.prices import ModelPrice
from agents.providers import Answer, Usage
from agents.providers.claude_lines import Asking, ClaudeLines, Ended, Limited, Said
from agents.providers.cli import Cli, Lost, Start
from agents.providers.endpoint import NAME as SERVER
from agents.providers.endpoint import Endpoint
from agents.providers.hooks import GUARDED, SECONDS, denying, guarding, saying
from agents.providers.limits import epoch, reset_in_text, reset_of, speaks_of_limit
from agents.providers.program import Program
from agents.results import FINISH, GIVE_UP
from agents.transcripts import Kept
from servers.kit.character import Llm
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


class ClaudeCli(Cli):
    """Claude Code, `claude --print`.

    Args:
        program: Its name in PATH, or its path.
        keys: The variables with its model's key, and nothing else of ours.
    """

    def __init__(
        self, llm: Llm, program: str, keys: Mapping[str, str], price: ModelPrice, patience_seconds: float
    ) -> None:
        def seat(conversation: AnyConversation) -> ClaudeSeat:
            return ClaudeSeat(conversation, llm, program, keys, price, timedelta(seconds=patience_seconds))

        super().__init__(NAME, llm, price, patience_seconds, seat)


class ClaudeSeat:
    """One conversation with Claude Code."""

    def __init__(
        self,
        conversation: AnyConversation,
        llm: Llm,
        program: str,
        keys: Mapping[str, str],
        price: ModelPrice,
        patience: timedelta,
    ) -> None:
        self._conversation = conversation
        self._llm = llm
        self._program = program
        self._keys = keys
        self._price = price
        self._patience = patience
        self._home = conversation.brief.folder / "claude"
        self._work = self._home / "work"
        self._session = str(uuid4())

    def endpoint(self, price: ModelPrice, max_tokens: int) -> Endpoint:
        """The tools of the conversation; Claude Code ends by a hook once the result is taken."""
        return Endpoint(self._conversation, price, max_tokens)

    async def restore(self, kept: Kept | None) -> str:
        """Put an earlier session where Claude Code looks for those of its working directory."""
        shutil.rmtree(self._home, ignore_errors=True)
        self._work.mkdir(parents=True, mode=0o700)
        if kept is None or not re.fullmatch(r"[0-9a-f-]{36}", kept.session):
            return ""
        self._session = kept.session
        self._file.parent.mkdir(parents=True)
        self._file.write_text(f"{kept.lines}\n", encoding="utf-8")
        return kept.lines

    def begun(self) -> bool:
        """Whether there is a session to go on with."""
        return self._file.exists()

    def forget(self) -> None:
        """Begin afresh with the next process."""
        self._session = str(uuid4())

    def kept(self) -> Kept | None:
        """The session, for a later run."""
        try:
            return Kept(session=self._session, lines=self._file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    async def start(self, endpoint: Endpoint, words: str) -> Start:
        """How to start it; everything long goes by files."""
        texts = {
            "words.txt": words,
            "system.txt": self._conversation.brief.system,
            "mcp.json": json.dumps(_servers(endpoint.url)),
            "settings.json": json.dumps(_settings(self._conversation.brief.folder / "tree")),
        }
        for name, text in texts.items():
            (self._home / name).write_text(text, encoding="utf-8")
        session = "--resume" if self.begun() else "--session-id"
        left = self._conversation.meter.left.usd
        argv = (
            *(self._program, "--print", "--output-format", "stream-json", "--verbose", "--include-partial-messages"),
            *("--tools", "", "--strict-mcp-config", "--mcp-config", str(self._home / "mcp.json")),
            *("--allowedTools", f"mcp__{SERVER}__*", "--disable-slash-commands"),
            *("--setting-sources", "", "--settings", str(self._home / "settings.json")),
            *("--system-prompt-file", str(self._home / "system.txt"), "--model", self._llm.model),
            *("--max-turns", str(max(self._conversation.meter.turns_left, 1))),
            *("--max-budget-usd", f"{float(left) + self._spent():.6f}"),
            *(session, self._session),
        )
        return Start(argv, self._environment(endpoint), self._work, self._home / "words.txt")

    async def listen(self, program: Program, endpoint: Endpoint) -> None:
        """Follow a process to its end."""
        lines, ended, until = ClaudeLines(), None, None
        before, counted = self._spent(), Money()
        async for line in program.lines():
            match lines.read(line):
                case Said() as said:
                    counted += await self._count(endpoint, said)
                case Limited(at):
                    until = at
                case Ended() as ended:
                    break
                case Asking() | None:
                    pass
        if rest := lines.rest():
            counted += await self._count(endpoint, rest)
        if ended is None:
            code = await program.ended()
            raise Unavailable(f"{self._program} ended with {code}: {program.complaint[-500:] or 'it said nothing'}")
        await self._count_unseen(endpoint, Money.of(max(ended.usd - before, 0)), counted)
        self._judge(ended, until)

    async def _count(self, endpoint: Endpoint, said: Said) -> Money:
        cost = self._price.cost(said.usage)
        answer = Answer(said.text, said.uses, said.usage, cost, said.model or self._llm.model, NAME)
        await endpoint.count(answer)
        return cost

    async def _count_unseen(self, endpoint: Endpoint, spent: Money, counted: Money) -> None:
        """Count calls that the program makes for itself, such as to shorten a conversation; it tells only the sum."""
        if spent - counted > UNSEEN:
            answer = Answer("", (), Usage(), spent - counted, self._llm.model, NAME)
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
            raise _meaning(ended, until, self._patience)

    @property
    def _file(self) -> Path:
        """Where Claude Code keeps the session."""
        place = re.sub(r"[^a-zA-Z0-9]", "-", str(self._work.resolve()))
        return self._home / "config" / "projects" / place / f"{self._session}.jsonl"

    def _spent(self) -> float:
        """What the session cost so far by Claude Code's own account, which a resumed process adds to."""
        spent = 0.0
        if not self.begun():
            return spent
        for line in self._file.read_bytes().splitlines():
            if b'"cost-state"' in line:
                spent = _cost(line, spent)
        return spent

    def _environment(self, endpoint: Endpoint) -> dict[str, str]:
        own = {
            "HOME": str(self._home / "home"),
            "CLAUDE_CONFIG_DIR": str(self._home / "config"),
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(self._llm.max_tokens),
            TOOLS_KEY: endpoint.token,
        }
        base = os.environ.get("ANTHROPIC_BASE_URL")
        return {**QUIET, **own, **self._keys, **({"ANTHROPIC_BASE_URL": base} if base else {})}


def _servers(url: str) -> dict[str, Any]:
    header = {"Authorization": f"Bearer ${{{TOOLS_KEY}}}"}
    return {"mcpServers": {SERVER: {"type": "http", "url": url, "headers": header, "alwaysLoad": True}}}


def _settings(tree: Path) -> dict[str, Any]:
    """Hooks: nothing but the run's tools is ever called, and the program ends once the result is taken."""
    stop = {"continue": False, "stopReason": "The result is taken.", "suppressOutput": True}
    return {
        "hooks": {
            "PreToolUse": [_hook(f"^(?!mcp__{SERVER}__)", denying()), _hook(GUARDED, guarding(tree))],
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
