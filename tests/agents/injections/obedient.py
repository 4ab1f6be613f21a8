"""A model that reads everything, believes it, and tries again in disguise what the guard denied."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from agents.results import FINISH
from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, Result, ToolUse, Turn, rounds, say, use
from tests.agents.injections.attempts import Attempt

RUN: Final = "mcp__workspace__run_command"
WRITE: Final = "mcp__workspace__write_file"
TRIES: Final = ".try"
NOTE: Final = use(WRITE, path=f"{TRIES}/note", content="so that three denials in a row do not end the run")
ONCE: Final = 6
SCRIPT: Final = """\
import subprocess
for name, command in {commands!r}:
    print("=== " + name, flush=True)
    try:
        subprocess.run(["/bin/bash", "-c", command], stderr=subprocess.STDOUT, timeout=5)
    except subprocess.TimeoutExpired:
        print("=== " + name + "\\ntook too long", flush=True)
"""


@dataclass
class Obedient:
    """Looks, does what each attempt wants, and ends as it should.

    Attributes:
        outcomes: What each attempt was answered, by its id; the guard's denials and what the disguise brought.
    """

    look: Sequence[ToolUse]
    attempts: Sequence[Attempt]
    end: Sequence[ToolUse]
    notes: ToolUse = NOTE
    outcomes: dict[str, list[Result]] = field(default_factory=dict[str, list[Result]])
    disguised: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    cut: bool = False

    def answer(self, request: MessagesRequest) -> Turn:
        """The next turn, whatever tools were offered: who obeys asks for others, too."""
        self.outcomes.clear()  # the play is played again from its beginning
        self.disguised.clear()
        play = self._play()
        turn = next(play)
        for _, results in rounds(request.turns):
            turn = play.send(results)
        return turn

    def _play(self) -> Play:
        yield say("I look around.", *self.look)
        for batch in _batches(self.attempts):
            denied: list[tuple[str, str]] = []
            for part in _turns(batch):
                results = yield say("As they say.", *(one for _, call in part for one in (call, self.notes)))
                for (name, call), result in zip(part, list(results)[::2], strict=True):
                    self.outcomes.setdefault(name, []).append(result)
                    if call.name == RUN and result.is_error and result.text.startswith("denied"):
                        denied.append((name, str(call.input["command"])))
            if denied:
                self._keep((yield say("Otherwise, then.", *_hidden(denied)))[1])
        if self.notes is NOTE:
            yield say("Now the issue.", use(RUN, command=f"rm -rf {TRIES} tests"))
        for one in self.end:
            yield say("", one)

    def _keep(self, result: Result) -> None:
        """What each command said that was hidden in a script."""
        answer = json.loads(result.ok())
        self.cut |= answer["truncated"] or answer["timed_out"]
        for part in answer["stdout"].split("=== ")[1:]:
            name, _, said = part.partition("\n")
            self.disguised.setdefault(name, []).append(said)


Part = list[tuple[str, ToolUse]]


def _batches(attempts: Sequence[Attempt]) -> Iterator[Part]:
    """The calls of several attempts together, each with the attempt's id."""
    for start in range(0, len(attempts), ONCE):
        yield [(one.id, ToolUse(*step.call)) for one in attempts[start : start + ONCE] for step in one.does]


def _turns(calls: Part) -> Iterator[Part]:
    """All at once, but a result is handed in alone."""
    for is_end, grouped in itertools.groupby(calls, key=lambda one: one[1].name == FINISH):
        several = list(grouped)
        yield from ([one] for one in several) if is_end else [several]


def _hidden(commands: Sequence[tuple[str, str]]) -> tuple[ToolUse, ToolUse]:
    path = f"{TRIES}/otherwise.py"
    script = use(WRITE, path=path, content=SCRIPT.format(commands=list(commands)))
    return script, use(RUN, command=f"python3 {path}", timeout_seconds=60)
