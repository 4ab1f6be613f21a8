"""Runs git so that nothing a repository or a model writes can steer it, and credentials stay in its environment."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.errors import Stuck
from servers.kit.errors import Unavailable
from servers.kit.logs import redact

INHERITED = (
    "PATH", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
)  # fmt: skip
HARDENED = {
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "http:https:file",
}
ALWAYS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "credential.helper": "",
    "gc.autoDetach": "false",
    "checkout.workers": "0",
    "advice.detachedHead": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
}
END_SECONDS = 1.0
AWAY = re.compile(
    r"(?i)could not resolve|failed to connect|connection (refused|reset|timed out)|timed out|early EOF|RPC failed"
    r"|unexpected disconnect|empty reply|returned error: (429|5\d\d)|remote end hung up|server closed|too slow"
    r"|cannot lock ref"  # a push whose answer was lost is still being done
)


@dataclass(frozen=True)
class Credential:
    """Short-lived access to one repository."""

    clone_url: str
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Credential:
        """From what the github server's `git_credential` answers."""
        return cls(str(answer["clone_url"]), str(answer.get("username") or ""), str(answer.get("password") or ""))

    def config(self) -> dict[str, str]:
        """The git configuration that sends it, and only to the repository's own host."""
        if not self.password:
            return {}
        parts = urlsplit(self.clone_url)
        basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {f"http.{parts.scheme}://{parts.netloc}/.extraHeader": f"Authorization: Basic {basic}"}


@dataclass(frozen=True)
class Output:
    """What git said."""

    exit_code: int
    out: str
    err: str = ""


async def git(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    credential: Credential | None = None,
    stdin: str | None = None,
    good: tuple[int, ...] = (0,),
) -> Output:
    """Run git.

    Args:
        env: Further variables, such as GIT_DIR.
        good: Exit codes that are no failure.

    Raises:
        Unavailable: The remote is away for the moment.
        Stuck: git failed otherwise.
    """
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=cwd,
        env=_environment(env or {}, credential),
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate(None if stdin is None else stdin.encode())
    except asyncio.CancelledError:
        await _end(process)
        raise
    code = process.returncode or 0
    if code not in good:
        raise failure(arguments[0], redact(err.decode(errors="replace") or out.decode(errors="replace")))
    return Output(code, out.decode(errors="replace"), err.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let git take its helpers and locks with it, but do not wait for it for long."""
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()


def failure(command: str, said: str) -> Exception:
    """What git's complaint means: Unavailable or Stuck."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    reason = f"git {command} failed: {lines[-1] if lines else 'it said nothing'}"
    return Unavailable(reason) if AWAY.search(said) else Stuck("git_error", reason, said)


def _environment(extra: Mapping[str, str], credential: Credential | None) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    config = {**ALWAYS, **(credential.config() if credential else {})}
    pairs = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**inherited, **HARDENED, **pairs, **extra}
