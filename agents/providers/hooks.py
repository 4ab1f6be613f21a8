"""What a provider's program runs before it calls a tool: built-in ones are denied, the workspace's judged."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from agents.providers.endpoint import NAME as SERVER
from agents.stdio import operators_policy

SECONDS: Final = 30
GUARDED: Final = f"mcp__{SERVER}__workspace__(run_command|write_file|edit_file)"


def guarding(tree: Path, denied: Path) -> str:
    """The command that judges a call by the rig's guard, as the workspace server does again.

    Args:
        tree: The run's files.
        denied: File that is told what is denied, for such a call never comes to the server.
    """
    policy = operators_policy()
    stricter = ["--policy", str(policy)] if policy else []
    program = [sys.executable, "-P", "-m", "rig", "guard", "hook", "--agent", "--record", str(denied), *stricter]
    return f"CLAUDE_PROJECT_DIR={shlex.quote(str(tree))} exec {shlex.join(program)}"


def denying() -> str:
    """The command that denies every call."""
    decision = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": f"An agent of the rig has only the tools of the server {SERVER}.",
    }
    return saying({"hookSpecificOutput": decision})


def saying(answer: dict[str, Any]) -> str:
    """The command that gives one answer to every call."""
    return f"printf %s {shlex.quote(json.dumps(answer))}"
