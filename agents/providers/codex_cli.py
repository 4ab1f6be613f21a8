"""Codex without a person: no tools but the run's, no settings but ours, a home folder of its own."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from agents.conversation import AnyConversation
from agents.errors import NoModel, Stuck, UsageLimited
from agents.providers import Answer
from agents.providers.cli import SESSION, Lost, Seat, Setup, Start
from agents.providers.codex_config import PROVIDER_KEY, TOOLS_KEY, catalog, config
from agents.providers.codex_lines import Began, Ended, Rollout, read
from agents.providers.endpoint import Endpoint
from agents.providers.limits import reset_in_text, reset_of, speaks_of_limit
from agents.providers.program import Program, running
from servers.kit.errors import RateLimited, Unavailable
from servers.kit.logs import redact

NAME: Final = "codex-cli"
API = "https://api.openai.com/v1"
CATALOGS: dict[str, str] = {}  # what Codex says of its models, by program; asked for once in a process
LOOK_SECONDS = 0.03
CLOSED = re.compile(r"(?i)invalid_api_key|incorrect api key|unauthorized|not have access|deactivated")
REFUSED = re.compile(r"(?i)content_filter|cyber_policy|flagged|violat\w+ .*polic")
TOO_LONG = re.compile(r"(?i)context window|context_length_exceeded")
UNKNOWN_SESSION = re.compile(r"(?i)no rollout found|thread/resume failed|session .*not found")


class CodexSeat(Seat):
    """One conversation with Codex, `codex exec`."""

    def __init__(self, conversation: AnyConversation, setup: Setup) -> None:
        super().__init__(conversation, setup, "codex")
        self._rollout: Rollout | None = None

    def endpoint(self) -> Endpoint:
        """The tools of the conversation; Codex shows its model no error as one, and goes on after the result."""
        price, most = self._setup.price, self._setup.llm.max_tokens
        return Endpoint(self._conversation, price, most, self.denied, says_errors=False, answers_last=False)

    async def start(self, endpoint: Endpoint, words: str) -> Start:
        """How to start it; everything but the session's name goes by files."""
        (self._home / "words.txt").write_text(words, encoding="utf-8")
        models = self._home / "models.json"
        models.write_text(catalog(await self._models(), self._setup.llm.model, self._conversation.brief.system))
        base = os.environ.get("OPENAI_BASE_URL") or API
        told = config(self._setup.llm.model, models, endpoint.url, base, self.guard)
        (self._home / "config.toml").write_text(told)
        argv = [self._setup.program, "exec", "--json", "--skip-git-repo-check", "--ignore-rules"]
        argv += ["--dangerously-bypass-hook-trust", "--sandbox", "read-only"]
        argv += ["resume", self._session, "-"] if self.begun() else ["-"]
        key = next(iter(self._setup.keys.values()), "")
        environment = self._environment() | {PROVIDER_KEY: key, TOOLS_KEY: endpoint.token}
        return Start(argv, environment, self._work, self._home / "words.txt")

    async def listen(self, program: Program, endpoint: Endpoint) -> None:
        """Follow a process to its end."""
        file = self._file()
        self._rollout = Rollout(file, file.stat().st_size) if file else None
        watching = asyncio.create_task(self._watch(endpoint))
        try:
            ended = await self._turn(program)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._look(endpoint)
        if ended is None:
            code, said = await program.ended(), program.complaint[-500:] or "it said nothing"
            failure = Lost(said) if UNKNOWN_SESSION.search(said) else Unavailable(f"codex ended with {code}: {said}")
            raise failure
        if ended.failure:
            raise _meaning(ended, self._setup.patience)

    async def _turn(self, program: Program) -> Ended | None:
        async for line in program.lines():
            match read(line):
                case Began(session) if SESSION.fullmatch(session):
                    self._session = session
                case Ended() as ended:
                    return ended
                case _:
                    pass
        return None

    async def _watch(self, endpoint: Endpoint) -> None:
        """Tell of the model's answers as they come: Codex writes them to a file, and says only the sum by itself."""
        while True:
            await self._look(endpoint)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, endpoint: Endpoint) -> None:
        if self._rollout is None and (file := self._file()):
            self._rollout = Rollout(file)
        for said in self._rollout.news() if self._rollout else []:
            cost = self._setup.price.cost(said.usage)
            await endpoint.count(Answer(said.text, said.uses, said.usage, cost, self._setup.llm.model, NAME))

    async def _models(self) -> str:
        """What Codex knows of its models.

        Raises:
            Unavailable: It does not say so.
        """
        name = self._setup.program
        if name not in CATALOGS:
            words = self._home / "words.txt"
            async with running((name, "debug", "models"), self._work, self._environment(), words) as program:
                lines = [line async for line in program.lines()]
                if await program.ended() != 0 or not lines:
                    raise Unavailable(f"{name} does not say which models it has: {program.complaint[-500:]}")
            CATALOGS[name] = b"\n".join(lines).decode(errors="replace")
        return CATALOGS[name]

    def _new_session(self) -> str:
        return ""

    def _place(self) -> Path:
        now = datetime.now(UTC)
        folder = self._home / "sessions" / f"{now:%Y}" / f"{now:%m}" / f"{now:%d}"
        return folder / f"rollout-{now:%Y-%m-%dT%H-%M-%S}-{self._session}.jsonl"

    def _file(self) -> Path | None:
        if not self._session:
            return None
        return next((self._home / "sessions").glob(f"*/*/*/rollout-*{self._session}.jsonl"), None)

    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self._home / "home"), "CODEX_HOME": str(self._home), "RUST_LOG": "error"}


def _meaning(ended: Ended, patience: timedelta) -> Exception:
    """What a failure is: a limit, a closed door, a mistake of ours, or a model that is away for a moment."""
    now, text = datetime.now(UTC), redact(ended.failure)[:500]
    reset = reset_in_text(text, now)
    if speaks_of_limit(text):
        return UsageLimited(NAME, reset or reset_of(text, now), text)
    if ended.status in (402, 429):
        far = reset is not None and reset - now > patience
        return UsageLimited(NAME, reset, text) if reset and far else RateLimited(text)
    if ended.status in (401, 403) or CLOSED.search(text):
        return NoModel(f"The model's API does not let us in: {text}")
    if REFUSED.search(text):
        return Stuck("model_refused", "The model refuses to work on this.", text)
    if TOO_LONG.search(text):
        return Stuck("context_window", "The conversation no longer fits into the model's context window.")
    if ended.status in (400, 404, 413, 422) or "invalid_request_error" in text:
        return Stuck("model_error", f"The model's API refused the request: {text}")
    return Unavailable(text)
