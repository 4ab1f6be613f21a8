from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.workspace.guard.judge import judge
from servers.workspace.guard.place import Place

SECONDS = 3  # a shared machine; alone, the worst takes half of one
DEEP = 10_000
HOSTILE = {
    "a megabyte": "a" * 1_000_000,
    "a megabyte to echo": "echo " + "x" * 1_000_000,
    "parentheses": "(" * DEEP + ")" * DEEP,
    "substitutions": "$(" * DEEP + ")" * DEEP,
    "defaults": "${a:-" * DEEP,
    "backticks": "`" * (DEEP - 1),
    "braces": "echo " + "{a,b}" * DEEP,
    "nested braces": "echo " + "{" * DEEP + "a,b" + "}" * DEEP,
    "pipes": "|" * 50_000,
    "a long pipeline": "a|" * 30_000 + "a",
    "many commands": "ls;" * 30_000,
    "many words": "rm " + "a " * 50_000,
    "here-documents": "cat <<A " * 500,
    "branches": "if a; then " * 3000,
    "loops in loops": "for x in a b c d e f; do " * 12 + "ls" + "; done" * 12,
    "functions that double": "".join(f"f{i}() {{ f{i + 1}; f{i + 1}; }}; " for i in range(40)) + "f0",
    "values that double": "x=a;" + "x=$x$x;" * 40 + "echo $x",
    "globs": "cat ~/" + "*a" * 90 + "/x",
    "a sed script": "sed 's/" + "\\(" * 5000 + "/x/' f",
    "SQL": 'psql -c "' + "''" * 20_000 + '"',
    "comments in SQL": "psql -c '" + "/*" * 20_000 + "'",
    "code": 'node -e "' + "exec(" * 5000 + '"',
    "Python": 'python3 -c "' + "(" * 5000 + '"',
    "eval": "eval " * 2000 + "ls",
    "xargs": "xargs " * 3000 + "ls",
    "aliases": 'alias a="b b"; alias b="a a"\na',
    "a fork bomb": ":(){ :|:& };:",
}
MUST_BE_DENIED = {"a megabyte", "a megabyte to echo", "substitutions", "pipes", "many words", "loops in loops"}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_made_to_choke_the_guard_gets_a_verdict_in_bounded_time(kind: str, place: Place) -> None:
    began = perf_counter()
    verdict = judge("Bash", {"command": HOSTILE[kind]}, place)
    assert perf_counter() - began < SECONDS
    assert "guard itself failed" not in verdict.reason
    assert verdict.verdict == "deny" or kind not in MUST_BE_DENIED


@pytest.mark.parametrize("command", ["rm\0 -rf /", "echo \x01", "ls\x07", "\x1f"])
def test_control_characters_are_unclear(command: str, place: Place, persons_place: Place) -> None:
    assert judge("Bash", {"command": command}, place).verdict == "deny"
    assert judge("Bash", {"command": command}, persons_place).verdict == "ask"


@pytest.mark.parametrize("command", ["echo \ud800", "echo 'é ü 漢字 🎉'", "git commit -m 'größer'"])
def test_text_of_any_language_is_ordinary(command: str, place: Place) -> None:
    assert judge("Bash", {"command": command}, place).verdict == "allow"


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="rm -f/$(){}`'\"\\;|&<>=~*a\n!#[]", max_size=60))
def test_whatever_is_written_gets_a_verdict(command: str) -> None:
    verdict = judge("Bash", {"command": command}, Place("/work/repo"))
    assert "guard itself failed" not in verdict.reason


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["command", "file_path", "path", "url", "input"]), st.from_type(object) | st.text()
    )
)
def test_whatever_a_tool_is_given_gets_a_verdict(given_: dict[str, Any]) -> None:
    for tool in ("Bash", "Write", "Read", "WebFetch", "apply_patch", "shell", "mcp__rig__run_command", "TodoWrite"):
        verdict = judge(tool, given_, Place("/work/repo"))
        assert "guard itself failed" not in verdict.reason
