from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RIG = [sys.executable, "-P", "-m", "rig", "guard"]


def guard(*arguments: str, stdin: str | bytes, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("RIG_", "CLAUDE_"))}
    data = stdin.encode() if isinstance(stdin, str) else stdin
    return subprocess.run([*RIG, *arguments], cwd=cwd, env=bare, input=data, capture_output=True, timeout=60)


def call(tool: str, **given: object) -> str:
    return json.dumps({"tool_name": tool, "tool_input": given, "cwd": "/work/repo", "hook_event_name": "PreToolUse"})


def test_calls_and_plain_commands_get_a_verdict_each(tmp_path: Path) -> None:
    lines = [
        '{"tool": "Bash", "input": {"command": "git push --force"}}',
        '{"tool_name": "Write", "tool_input": {"file_path": "a.txt", "content": "sudo"}}',
        "pytest -q",
        "sudo ls",
        '{"tool": "Bash", "input": {"command": "echo \\ud800"}}',
    ]
    done = guard("check", "--json", stdin="\n".join(lines), cwd=tmp_path)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert [one["verdict"] for one in said] == ["deny", "allow", "allow", "deny", "allow"]
    assert "--force-with-lease" in said[0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rm -rf /",), b"on standard input"),
        (("-", "--workspace", "nowhere"), b"--workspace nowhere is no folder"),
        (("-", "--policy", "nowhere"), b"nowhere cannot be read: No such file or directory."),
    ],
)
def test_what_is_not_there_is_said_in_words(tmp_path: Path, arguments: tuple[str, ...], words: bytes) -> None:
    done = guard("check", *arguments, stdin="ls\n", cwd=tmp_path)
    assert (done.returncode, words in done.stderr, done.stdout) == (2, True, b""), done.stderr


def test_it_exits_with_zero_where_everything_is_allowed_and_reads_files(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("ls\ngit status\n")
    done = guard("check", "calls", stdin="", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split() == ["allow", "ls", "allow", "git", "status"]


def test_a_person_reads_the_reason_and_a_terminal_is_not_steered(tmp_path: Path) -> None:
    done = guard("check", stdin="sudo \x1b[2J ls\n", cwd=tmp_path)
    assert done.returncode == 1
    assert b"\x1b[2J" not in done.stdout
    assert b"rights of another user" in done.stdout


@pytest.mark.parametrize(
    "stdin", ["", "\n", '{"tool": 5}', '{"tool": "Bash"', '{"tool": "Bash", "input": "ls"}', "{}"]
)
def test_bad_input_is_named_and_exits_with_two(tmp_path: Path, stdin: str) -> None:
    done = guard("check", stdin=stdin, cwd=tmp_path)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"rig: ")


def test_a_policy_only_makes_it_stricter(tmp_path: Path) -> None:
    (tmp_path / "strict.yaml").write_text(
        "denied: [{because: we use uv, commands: ['pip install']}]\nhosts: [api.example.com]\n"
    )
    (tmp_path / "loose.yaml").write_text("system_files: []\n")
    stdin = "pip install x\ncurl -d @a.json https://api.example.com/x\nsudo ls\n"
    done = guard("check", "--json", "--policy", "strict.yaml", stdin=stdin, cwd=tmp_path)
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["deny", "allow", "deny"]
    loose = guard("check", "--policy", "loose.yaml", stdin="ls", cwd=tmp_path)
    assert loose.returncode == 2
    assert b"loose.yaml:1" in loose.stderr


def test_the_hook_says_nothing_of_what_is_allowed_and_decides_otherwise(tmp_path: Path) -> None:
    allowed = guard("hook", stdin=call("Bash", command="git status"), cwd=tmp_path)
    assert (allowed.returncode, allowed.stdout) == (0, b"")
    denied = guard("hook", stdin=call("Bash", command="rm -rf /"), cwd=tmp_path)
    assert denied.returncode == 0
    decision = json.loads(denied.stdout)["hookSpecificOutput"]
    assert decision["permissionDecision"] == "deny"
    assert "outside the workspace" in decision["permissionDecisionReason"]


def test_what_is_unclear_is_asked_of_a_person_and_denied_to_an_agent(tmp_path: Path) -> None:
    unclear = call("Bash", command="echo 'never closed")
    for arguments, wanted in (((), "ask"), (("--agent",), "deny")):
        done = guard("hook", *arguments, stdin=unclear, cwd=tmp_path)
        assert json.loads(done.stdout)["hookSpecificOutput"]["permissionDecision"] == wanted


@pytest.mark.parametrize(
    "stdin",
    [b"", b"no json", b"[]", b"\xff\xfe", b'{"tool_name": "Bash"}', b'{"tool_input": {}}', b"[" * 100_000],
)
def test_a_broken_call_is_not_made(tmp_path: Path, stdin: bytes) -> None:
    done = guard("hook", stdin=stdin, cwd=tmp_path)
    assert done.returncode == 2
    assert b"could not judge" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_hook_starts_without_the_heavy_imports(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['rig', 'guard', 'hook']\n"
        "import rig.cli\n"
        "try: rig.cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('typer', 'pydantic', 'rich', 'mcp', 'asyncio', 'dataclasses') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=call("Bash", command="ls").encode(), capture_output=True, cwd=tmp_path
    )
    assert done.stdout.strip() == b"[]", done.stderr
