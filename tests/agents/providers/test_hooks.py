"""The hooks of the programs say no where the guard says no."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agents.providers.codex_config import DENIED, catalog, config
from agents.providers.hooks import GUARDED, denying, guarding
from servers.kit.errors import Unavailable


def asked(hook: str, tool: str, **given: Any) -> Any:
    call = {"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": given, "cwd": "/"}
    said = subprocess.run(["sh", "-c", hook], input=json.dumps(call), capture_output=True, text=True, check=True)
    return json.loads(said.stdout)["hookSpecificOutput"]["permissionDecision"] if said.stdout else "allow"


@pytest.mark.parametrize(
    ("command", "verdict"), [("git push --force origin main", "deny"), ("python -m pytest -q", "allow")]
)
def test_a_command_is_judged_by_the_guard_in_the_runs_own_files(tmp_path: Path, command: str, verdict: str) -> None:
    tree = tmp_path / "it's a tree"
    tree.mkdir()
    denied = tmp_path / "denied.jsonl"
    assert asked(guarding(tree, denied), "mcp__rig__workspace__run_command", command=command) == verdict
    said = [json.loads(line) for line in denied.read_text().splitlines()] if denied.exists() else []
    assert [one["tool"] for one in said] == ["mcp__rig__workspace__run_command"] * (verdict == "deny")
    assert all(one["reason"] for one in said)


def test_the_operators_policy_holds_in_the_hook_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "it's.yaml").write_text("denied: [{because: not here, commands: [kubectl get]}]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIG_GUARD_POLICY", "it's.yaml")
    hook = guarding(tmp_path, tmp_path / "denied.jsonl")
    assert asked(hook, "mcp__rig__workspace__run_command", command="kubectl get pods") == "deny"


def test_a_built_in_tool_is_denied() -> None:
    assert asked(denying(), "Bash", command="ls") == "deny"
    for tool in ("shell", "apply_patch", "exec_command"):
        assert re.fullmatch(DENIED, tool)
    assert re.fullmatch(GUARDED, "mcp__rig__workspace__run_command")


def test_codex_is_told_of_one_server_and_no_tools(tmp_path: Path) -> None:
    text = config('a "b"\\', tmp_path / "m.json", "http://127.0.0.1:1/mcp", "http://x/v1", 'judge "$1"')
    told = tomllib.loads(text)
    assert (told["model"], told["sandbox_mode"], told["approval_policy"]) == ('a "b"\\', "read-only", "never")
    assert list(told["mcp_servers"]) == ["rig"]
    assert not any(told["features"].values())
    assert [hook["matcher"] for hook in told["hooks"]["PreToolUse"]] == [DENIED, GUARDED]


def test_codexs_list_has_our_model_without_tools() -> None:
    known = json.dumps({"models": [
        {"slug": "gpt-5.5", "shell_type": "unified_exec", "apply_patch_tool_type": "freeform", "context_window": 5},
        {"slug": "gpt-4", "context_window": 4},
    ]})  # fmt: skip
    [entry] = json.loads(catalog(known, "gpt-5.5-codex", "You work."))["models"]
    assert (entry["slug"], entry["context_window"], entry["base_instructions"]) == ("gpt-5.5-codex", 5, "You work.")
    assert (entry["shell_type"], "apply_patch_tool_type" in entry) == ("disabled", False)


@pytest.mark.parametrize("known", ["", "[]", "{}", '{"models": []}', '{"models": [{}]}'])
def test_a_list_that_is_none_is_refused(known: str) -> None:
    with pytest.raises(Unavailable, match="list of models"):
        catalog(known, "gpt-5.5", "")
