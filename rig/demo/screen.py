"""The demo in the terminal: one line a step with its time, and the summary at the end."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.status import Status
from rich.table import Table
from rich.text import Text

from rig.cli.access import joining
from rig.cli.output import clean, hanging
from rig.demo import story
from rig.demo.follow import Event
from rig.demo.proof import Commit

HANG = 13  # where the words of an event that do not fit go on
MARKS: dict[story.Mood, tuple[str, str]] = {
    "good": ("✓", "green"),
    "bad": ("✗", "red"),
    "asking": ("?", "yellow"),
    "working": ("●", "cyan"),
}


class Screen(Protocol):
    """Where the demo shows what happens."""

    def starting(self) -> None: ...
    def ready(self, page: str, folder: str) -> None: ...
    def event(self, event: Event) -> None: ...
    def step(self, issue: str, text: str) -> None: ...
    def merged(self, tally: story.Tally, commits: list[Commit], seconds: float) -> None: ...
    def failed(self, reason: str, log: list[str], log_file: str) -> None: ...
    def kept(self, page: str, token_file: str) -> None: ...
    def ending(self) -> None: ...


class Lines:
    """One JSON object a line, for programs."""

    def starting(self) -> None: ...

    def ready(self, page: str, folder: str) -> None:
        self._write({"url": page, "folder": folder})

    def event(self, event: Event) -> None:
        self._write(event)

    def step(self, issue: str, text: str) -> None: ...

    def merged(self, tally: story.Tally, commits: list[Commit], seconds: float) -> None:
        self._write(
            {
                "result": "merged",
                "seconds": round(seconds, 2),
                "events": tally.events,
                "issues": len(tally.done),
                "commits": [commit.sha for commit in commits],
                "tokens": dict(tally.tokens),
                "usd": round(tally.usd, 4),
                "model": "scripted",
            }
        )

    def failed(self, reason: str, log: list[str], log_file: str) -> None:
        self._write({"result": "failed", "reason": reason, "log": log, "log_file": log_file})

    def kept(self, page: str, token_file: str) -> None: ...

    def ending(self) -> None: ...

    def _write(self, value: Any) -> None:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


class Terminal:
    """Lines for people."""

    def __init__(self, console: Console, issues: int) -> None:
        self._console = console
        self._many = issues > 1
        self._started = time.monotonic()
        self._steps: list[str] = []
        self._now: Status | None = None

    def starting(self) -> None:
        """Say what is about to run, and what is not real about it."""
        self._console.print(
            "[bold]rig demo[/]  database, servers, agents, git and CI are real; "
            "GitHub is a stand-in, [bold]the model is scripted[/]."
        )
        self._show_now("starting")

    def ready(self, page: str, folder: str) -> None:
        self._line("●", "THE RIG IS UP", f"page {page}", "cyan")

    def event(self, event: Event) -> None:
        words = story.in_words(event)
        if words is None:
            return
        self._tell_steps()
        kind = event["type"]
        mark, style = MARKS[story.mood(kind)]
        where = f"#{(event.get('issue') or '').rpartition('#')[2]} " if self._many else ""
        self._line(mark, kind, f"{where}{words}", style)

    def step(self, issue: str, text: str) -> None:
        self._show_now(f"{issue}: {text}")
        self._steps.append(text)

    def _show_now(self, text: str) -> None:
        """The last line of a real terminal says what happens right now."""
        if not self._console.is_terminal or self._console.record:
            return
        if self._now is None:
            self._now = self._console.status("")
            self._now.start()
        self._now.update(Text(clean(text), style="dim", no_wrap=True, overflow="ellipsis"))

    def _tell_steps(self) -> None:
        """What led to the event that is told next, in one paragraph."""
        if self._steps and not self._many:
            words = Text(clean(" → ".join(self._steps)), style="dim")
            self._console.print(Padding(words, (0, 0, 0, HANG)))
        self._steps.clear()

    def _end(self) -> None:
        self._tell_steps()
        if self._now is not None:
            self._now.stop()

    def merged(self, tally: story.Tally, commits: list[Commit], seconds: float) -> None:
        """The merged commits, what it took, and once more that the model was scripted."""
        self._end()
        for commit in commits:
            text = Text.assemble(
                (f"commit {commit.sha}\n", "yellow"), f"Author: {commit.author}\n\n", clean(commit.text)
            )
            self._console.print(Panel(text, title="git log main", title_align="left", border_style="dim"))
        self._console.print(_summary(tally, seconds))
        self._console.print(
            "Merged on [bold]main[/]; the repository's own tests pass in a clean checkout. The model was scripted: "
            "tokens are estimated from real requests, the cost is what they would have cost."
        )

    def failed(self, reason: str, log: list[str], log_file: str) -> None:
        """The end of the rig's log, why it failed, and where the whole log is."""
        self._end()
        for line in log:
            self._console.print(Text(clean(line), style="dim"))
        self._console.print(Text(f"The demo failed: {clean(reason)}", style="bold red"))
        self._console.print(f"The whole log: {log_file}", markup=False)

    def kept(self, page: str, token_file: str) -> None:
        """Where everything goes on running, and what a person can do with it."""
        folder = shlex.quote(str(Path(token_file).parent))
        self._say(f"Everything goes on running. The page: {page}  –  Ctrl-C ends it. Join with Claude Code:")
        self._say(f"  {joining(page, Path(token_file))}")
        self._say(f"Or look: RIG_URL={page} RIG_DATA_DIR={folder} {_rig()} issues")

    def ending(self) -> None:
        """Say that the rest is only tidying up."""
        if not self._console.record:
            self._console.print("ending…", style="dim")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _line(self, mark: str, name: str, words: str, style: str) -> None:
        seconds = time.monotonic() - self._started
        head = Text.assemble(f"{seconds:6.1f} s  ", (f"{mark} ", style), (f"{name:<18} ", style))
        said = clean(words)
        if not self._console.is_terminal:
            self._console.print(head + Text(said), soft_wrap=True)
        elif not self._many:
            self._console.print(head + Text(said), no_wrap=True, overflow="ellipsis")
        else:
            hung = hanging(said, self._console.width, " " * HANG, " " * head.cell_len).lstrip()
            self._console.print(head + Text(hung), soft_wrap=True)


def _rig() -> str:
    """This very command, from whatever folder and without its environment activated."""
    ours = Path(sys.argv[0]).absolute()
    return shlex.quote(str(ours)) if ours.name == "rig" else f"{shlex.quote(sys.executable)} -m rig"


def _summary(tally: story.Tally, seconds: float) -> Table:
    table = Table.grid(padding=(0, 2))
    tokens = tally.tokens
    table.add_row("issues merged", str(len(tally.done)))
    table.add_row("time", f"{seconds:.1f} s, {tally.events} events")
    table.add_row(
        "tokens",
        f"{tokens['input_tokens']:,} in, {tokens['output_tokens']:,} out, "
        f"{tokens['cache_read_tokens']:,} read from cache, {tokens['cache_write_tokens']:,} written to it",
    )
    table.add_row("cost", f"${tally.usd:.4f} at list prices")
    return table
