"""The demo's lines hang where they wrap, are whole where nobody looks, and say how to go on."""

from __future__ import annotations

import io
import sys

from rich.console import Console

from rig.demo.screen import HANG, Terminal

LONG = {"type": "ISSUE_APPROVED", "issue": "o/r#1", "data": {"approved_by": "ada", "title": "count " * 40}}


def shown(*, terminal: bool, issues: int = 1) -> tuple[Terminal, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=terminal, color_system=None, highlight=False)
    return Terminal(console, issues), out


def test_several_issues_lines_wrap_with_a_hanging_indent() -> None:
    screen, out = shown(terminal=True, issues=3)
    screen.event(LONG)
    first, *rest = out.getvalue().splitlines()
    assert "#1 ada labelled it" in first
    assert rest
    assert all(line.startswith(" " * HANG) and len(line) <= 60 for line in rest)


def test_a_terminal_gets_one_line_an_event_and_a_file_gets_all_its_words() -> None:
    screen, out = shown(terminal=True)
    screen.event(LONG)
    assert out.getvalue().endswith("…\n")
    screen, out = shown(terminal=False)
    screen.event(LONG)
    (line,) = out.getvalue().splitlines()
    assert line.count("count") == 40


def test_a_kept_demo_says_how_to_join_it_and_that_it_ends() -> None:
    screen, out = shown(terminal=False)
    screen.kept("http://127.0.0.1:7700", "/tmp/rig-demo-x/rig/token")
    said = out.getvalue().splitlines()
    assert any(line.strip().startswith("claude mcp add") and "/tmp/rig-demo-x/rig/token" in line for line in said)
    assert any(
        f"RIG_URL=http://127.0.0.1:7700 RIG_DATA_DIR=/tmp/rig-demo-x/rig {sys.executable} -m rig issues" in line
        for line in said
    )
    screen.ending()
    assert out.getvalue().endswith("ending…\n")
