from __future__ import annotations

import shlex
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import pytest

from servers.workspace.guard.judge import judge
from servers.workspace.guard.place import Place

Corpus = dict[str, list[dict[str, Any]]]
WRAPS: dict[str, Callable[[str], str]] = {
    "sh -c": lambda command: f"sh -c {shlex.quote(command)}",
    "bash -lc within env": lambda command: f"env A=1 bash -lc {shlex.quote(command)}",
    "behind &&": lambda command: f"cd . && {command}",
    "substituted": lambda command: f'echo "$({command}\n)"',
    "subshell": lambda command: f"( {command}\n)",
    "group": lambda command: "{ " + command + "\n}",
    "eval": lambda command: f"eval {shlex.quote(command)}",
    "branch": lambda command: f"if true; then {command}\nfi",
    "piped to a shell": lambda command: f"printf %s {shlex.quote(command)} | bash",
    "function": lambda command: "f() { " + command + "\n}; f",
    "here-document": lambda command: f"bash -s <<'END_OF_SCRIPT'\n{command}\nEND_OF_SCRIPT",
    "timeout": lambda command: f"timeout 60 bash -c {shlex.quote(command)}",
    "variable": lambda command: f'script={shlex.quote(command)}; bash -c "$script"',
}


def sample(corpus: Corpus, verdict: str) -> list[dict[str, Any]]:
    """Every third call, which is enough of each kind."""
    return [*corpus[verdict], *corpus[f"{verdict}_held_out"]][::3]


def wrong(calls: list[dict[str, Any]], place: Place, wanted: str) -> list[str]:
    """What gets another verdict, or none for the guard fell over."""
    verdicts = [(call["input"]["command"], judge(call["tool"], call["input"], place)) for call in calls]
    broken = [(command, verdict) for command, verdict in verdicts if "guard itself failed" in verdict.reason]
    assert not broken
    return [f"{command!r}: {v.verdict} {v.reason}" for command, v in verdicts if v.verdict != wanted]


def test_the_corpus_is_large_and_every_call_is_explained(corpus: Corpus) -> None:
    commands = [call["input"]["command"] for calls in corpus.values() for call in calls]
    assert len(corpus["deny"]) >= 200
    assert len(corpus["allow"]) >= 250
    assert all(call["note"] for calls in corpus.values() for call in calls)
    assert len(set(commands)) == len(commands)


def test_at_least_99_of_100_are_denied(corpus: Corpus, place: Place) -> None:
    for half in ("deny", "deny_held_out"):
        missed = wrong(corpus[half], place, "deny")
        print("\n".join(missed))
        assert len(missed) <= len(corpus[half]) * 0.01


def test_at_most_1_of_100_ordinary_calls_alarms(corpus: Corpus, persons_place: Place) -> None:
    for half in ("allow", "allow_held_out"):
        alarms = wrong(corpus[half], persons_place, "allow")
        print("\n".join(alarms))
        assert len(alarms) <= len(corpus[half]) * 0.01


@pytest.mark.parametrize("wrap", WRAPS)
def test_what_is_denied_is_denied_within_other_commands_too(wrap: str, corpus: Corpus, place: Place) -> None:
    wrapped = [
        {**call, "input": {"command": WRAPS[wrap](call["input"]["command"])}} for call in sample(corpus, "deny")
    ]
    missed = wrong(wrapped, place, "deny")
    print("\n".join(missed))
    assert len(missed) <= len(wrapped) * 0.01


@pytest.mark.parametrize("wrap", ["sh -c", "behind &&", "subshell", "branch", "function", "timeout"])
def test_ordinary_calls_stay_allowed_within_other_commands(wrap: str, corpus: Corpus, persons_place: Place) -> None:
    wrapped = [
        {**call, "input": {"command": WRAPS[wrap](call["input"]["command"])}} for call in sample(corpus, "allow")
    ]
    alarms = wrong(wrapped, persons_place, "allow")
    print("\n".join(alarms))
    assert len(alarms) <= len(wrapped) * 0.01


def test_a_verdict_on_an_ordinary_command_takes_about_a_millisecond(corpus: Corpus, place: Place) -> None:
    took: list[float] = []
    for call in corpus["allow"]:
        began = perf_counter()
        judge(call["tool"], call["input"], place)
        took.append(perf_counter() - began)
    assert median(took) < 0.005
