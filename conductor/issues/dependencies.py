"""What an issue's text says that it waits for, and whether such waiting leads in a circle: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

MOST = 20  # each is read from GitHub, and whoever wrote the text may be anybody
_COMMENTS = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TICKS = re.compile(r"`+")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_ISSUE = r"(?:[\w.-]+/[\w.-]+)?#[1-9]\d{0,8}\b"
_SAID = re.compile(
    rf"\b(?:depends?|depending)\s+(?:up)?on:?\s*(?P<on>{_ISSUE}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*){_ISSUE})*)"
    rf"|\bblocked\s+by:?\s*(?P<by>{_ISSUE}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*){_ISSUE})*)",
    re.IGNORECASE,
)


def depends_on(body: str, repository: str) -> list[str]:
    """The issues that `body` names after "depends on" or "blocked by", as owner/repo#12, each once and in order.

    Lists such as `#1, #2 and owner/other#3` are read whole; code, quotes and HTML comments say nothing. At most 20.

    Args:
        repository: Where the issue stands; a bare `#12` is of there.
    """
    found: dict[str, str] = {}
    for said in _SAID.finditer(prose(body)):
        for name in re.findall(_ISSUE, said["on"] or said["by"]):
            key = f"{repository}{name}" if name.startswith("#") else name
            found.setdefault(key.lower(), key)
    return list(found.values())[:MOST]


def prose(body: str) -> str:
    """`body` without code, quotes and HTML comments."""
    kept: list[str] = []
    fence = ""
    for line in _COMMENTS.sub(" ", body).splitlines():
        mark = _FENCE.match(line)
        if fence:
            closes = mark is not None and mark[1].startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence
        elif mark:
            fence = mark[1]
        elif not line.lstrip().startswith(">") and not line.startswith(("    ", "\t")):
            kept.append(line)
    return _without_spans("\n".join(kept))


def _without_spans(text: str) -> str:
    """`text` without spans of code: each ends with the next run of as many backticks as it began with."""
    runs = list(_TICKS.finditer(text))
    ends: dict[int, re.Match[str]] = {}
    later: dict[int, re.Match[str]] = {}
    for run in reversed(runs):
        if closing := later.get(len(run[0])):
            ends[run.start()] = closing
        later[len(run[0])] = run
    kept: list[str] = []
    read = 0
    for run in runs:
        closing = ends.get(run.start())
        if closing and run.start() >= read:
            kept += (text[read : run.start()], " ")
            read = closing.end()
    return "".join([*kept, text[read:]])


def circle(start: str, edges: Mapping[str, Sequence[str]]) -> list[str]:
    """The shortest way along `edges` from `start` back to itself, both ends named; empty where there is none.

    Keys are compared without regard to case and answered as they were first written.
    """
    ways = {key.lower(): list(nexts) for key, nexts in edges.items()}
    waiting, seen = [[start]], set[str]()
    for path in waiting:  # grows while it is walked
        for step in ways.get(path[-1].lower(), []):
            if step.lower() == start.lower():
                return [*path, start]
            if step.lower() not in seen:
                seen.add(step.lower())
                waiting.append([*path, step])
    return []


def parts(key: str) -> tuple[str, int]:
    """The repository and number of owner/repo#12."""
    repository, _, number = key.rpartition("#")
    return repository, int(number)


def distinct(keys: Iterable[str]) -> list[str]:
    """Each key once, whatever its case."""
    found: dict[str, str] = {}
    for key in keys:
        found.setdefault(key.lower(), key)
    return list(found.values())
