"""How Codex is told to have one server's tools and nothing else: its `config.toml` and its list of models."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, Final, cast

from agents.providers.endpoint import NAME as SERVER
from agents.providers.hooks import GUARDED, SECONDS, denying
from servers.kit.errors import Unavailable

PROVIDER_KEY: Final = "RIG_MODEL_KEY"
TOOLS_KEY: Final = "RIG_MODEL_TOOLS"
RETRIES = 2
TOOL_SECONDS = 3600
# A model's own entry says which tools Codex offers it; without these it is offered none to run, change or look up.
BUILT_IN = {
    "shell_type": "disabled",
    "apply_patch_tool_type": None,
    "web_search_tool_type": None,
    "supports_search_tool": False,
    "experimental_supported_tools": [],
    "tool_mode": None,
    "multi_agent_version": None,
    "multi_agent_reasoning_effort": None,
    "model_messages": None,
    "use_responses_lite": False,
    "input_modalities": ["text"],
}
OFF = (
    *("shell_tool", "unified_exec", "apps", "plugins", "goals", "view_image", "tool_suggest", "image_generation"),
    *("skill_search", "browser_use", "computer_use", "in_app_browser", "daemon_auto_start", "shell_snapshot"),
    "sleep_tool",
)
DENIED = "shell|local_shell|Bash|exec_command|write_stdin|unified_exec|apply_patch|web_search|view_image|js_repl"


def catalog(known: str, model: str, system: str) -> str:
    """The list of models that Codex is to believe: one, with our instructions and without built-in tools.

    Args:
        known: Codex's own list, as `codex debug models` prints it.

    Raises:
        Unavailable: It is no such list.
    """
    try:
        entries = cast(list[dict[str, Any]], json.loads(known)["models"])
        entry = max(entries, key=lambda entry: _alike(str(entry["slug"]), model))
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"Codex's list of models cannot be read ({error}).") from error
    kept = {key: value for key, value in (entry | BUILT_IN).items() if value is not None}
    own = {"slug": model, "display_name": model, "base_instructions": system, "visibility": "list"}
    return json.dumps({"models": [kept | own]})


def config(model: str, models: Path, tools_url: str, api_url: str, guard: str) -> str:
    """The configuration file; the secrets that it speaks of are in the environment.

    Args:
        guard: The command that judges a call of the workspace.
    """
    features = "\n".join(f"{name} = false" for name in OFF)
    return f"""\
model = {_quoted(model)}
model_provider = "model"
model_catalog_json = {_quoted(str(models))}
approval_policy = "never"
sandbox_mode = "read-only"
web_search = "disabled"
project_doc_max_bytes = 0
check_for_update_on_startup = false
include_environment_context = false
include_permissions_instructions = false
include_apps_instructions = false

[model_providers.model]
name = "model"
base_url = {_quoted(api_url)}
env_key = "{PROVIDER_KEY}"
wire_api = "responses"
request_max_retries = {RETRIES}
stream_max_retries = {RETRIES}

[mcp_servers.{SERVER}]
url = {_quoted(tools_url)}
bearer_token_env_var = "{TOOLS_KEY}"
required = true
default_tools_approval_mode = "approve"
supports_parallel_tool_calls = true
startup_timeout_sec = 30
tool_timeout_sec = {TOOL_SECONDS}

[agents]
enabled = false

[skills.bundled]
enabled = false

[analytics]
enabled = false

[history]
persistence = "none"

[features]
{features}

{_hook(DENIED, denying())}
{_hook(GUARDED, guard)}
"""


def _hook(matcher: str, command: str) -> str:
    return f"""\
[[hooks.PreToolUse]]
matcher = {_quoted(matcher)}

[[hooks.PreToolUse.hooks]]
type = "command"
command = {_quoted(command)}
timeout = {SECONDS}
"""


def _alike(one: str, other: str) -> int:
    """How many characters two names begin with in common."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False)
