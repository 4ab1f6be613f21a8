"""The guard as a hook of Claude Code or Codex: a call comes in on standard input, the verdict goes out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

LONGEST = 4 * 1024 * 1024
BROKEN = 2
AGENT, POLICY, RECORD = "--agent", "--policy", "--record"


def main(arguments: Sequence[str]) -> int:
    """Judge the call on standard input; the exit code, which is 2 for whatever cannot be judged.

    Args:
        arguments: `--agent` where nobody can be asked; `--policy FILE` makes the policy stricter; `--record FILE`
            is told of each call that is not made, a JSON object a line.
    """
    try:
        answer = answered(sys.stdin.buffer.read(LONGEST + 1), arguments)
    except Exception as error:  # noqa: BLE001 -- a hook that falls over any other way would let the call through
        sys.stderr.write(f"The guard could not judge this call, so it is not made: {_said(error)}\n")
        return BROKEN
    sys.stdout.write(answer)
    sys.stdout.flush()
    return 0


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__


def answered(data: bytes, arguments: Sequence[str]) -> str:
    """The hook's answer: nothing where the call is allowed, else the decision as JSON.

    Raises:
        ValueError, InvalidInput: The input or an argument is not what it has to be.
    """
    if len(data) > LONGEST:
        raise ValueError(f"the call is larger than {LONGEST} bytes")
    called = _mapping(json.loads(data.decode("utf-8")), "the call")
    tool, given = called.get("tool_name"), _mapping(called.get("tool_input"), "tool_input")
    if not isinstance(tool, str) or not tool:
        raise ValueError("tool_name is missing")
    options = _options(arguments)
    verdict = _judged(tool, given, str(called.get("cwd") or ""), options)
    if verdict.verdict == "allow":
        return ""
    if options.record:
        with options.record.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"tool": tool, "reason": verdict.reason}) + "\n")
    decision = {
        "hookEventName": "PreToolUse",
        "permissionDecision": verdict.verdict,
        "permissionDecisionReason": verdict.reason,
    }
    return json.dumps({"hookSpecificOutput": decision}) + "\n"


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no JSON object")  # noqa: TRY004 -- it is the input that is wrong
    return cast(dict[str, Any], value)


def _judged(tool: str, given: Mapping[str, Any], cwd: str, options: _Options) -> Any:
    # Imported here, so that what fails to import also fails closed.
    from servers.workspace.guard.here import place_of, repository_of
    from servers.workspace.guard.judge import judge
    from servers.workspace.guard.policy import with_repository

    folder = Path(os.environ.get("CLAUDE_PROJECT_DIR") or cwd or Path.cwd())
    place = place_of(repository_of(folder), person=not options.agent, policy=with_repository(options.policy))
    inside = cwd and place.inside(str(Path(cwd).resolve())) and "cwd" not in given
    return judge(tool, {**given, "cwd": cwd} if inside else given, place)


class _Options(NamedTuple):
    agent: bool
    policy: Path | None
    record: Path | None


def _options(arguments: Sequence[str]) -> _Options:
    left = list(arguments)
    agent, files = bool(os.environ.get("RIG_GUARD_AGENT")), {POLICY: os.environ.get("RIG_GUARD_POLICY"), RECORD: None}
    while left:
        word = left.pop(0)
        if word == AGENT:
            agent = True
        elif word in files and left:
            files[word] = left.pop(0)
        else:
            raise ValueError(f"{word} is no option; there are {AGENT}, {POLICY} FILE and {RECORD} FILE")
    policy, record = (Path(file) if file else None for file in files.values())
    return _Options(agent, policy, record)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
