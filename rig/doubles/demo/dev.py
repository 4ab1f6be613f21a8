"""The developer's scripts: look, change what is not changed yet, prove it, finish."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from typing import Final

from rig.doubles.anthropic.script import Play, Results, ToolUse, Turn, UnexpectedInput, say, use
from rig.doubles.demo import headline
from rig.doubles.demo.assignment import Assignment
from rig.doubles.demo.conflicts import conflicted, keep_both
from rig.doubles.demo.model import Edit, NewFile, Step
from rig.doubles.demo.results import file_content, passed, words

LIST: Final = "mcp__workspace__list_files"
READ: Final = "mcp__workspace__read_file"
SEARCH: Final = "mcp__workspace__search_files"
EDIT: Final = "mcp__workspace__edit_file"
WRITE: Final = "mcp__workspace__write_file"
RUN: Final = "mcp__workspace__run_command"
UNIT_TESTS: Final = "python3 -m unittest -q"
STRICTER: Final = "python3 -m checks"
UNTRUE: Final = re.compile(r"Expected:\n(?P<expected>(?: +\S.*\n)+)Got:\n(?P<got>(?: +\S.*\n?)+)")

Files = dict[str, str]
Part = Generator[Turn, Results, None]


def implement(task: Assignment) -> Play:
    issue = task.issue
    files = yield from look(issue.paths, f"I will see what there is for “{issue.title}”.")
    yield from change(issue.steps, files)
    commands = [UNIT_TESTS] if issue is headline.HEADLINE else [UNIT_TESTS, STRICTER]
    yield from prove(commands)
    yield finish(issue.subject, issue.summary)


def rework(task: Assignment) -> Play:
    match task.reason:
        case "merge_conflict":
            return resolve(task)
        case "ci_failed" if task.issue is headline.HEADLINE:
            return correct_examples(task)
        case "changes_requested" if task.issue is headline.HEADLINE:
            return keep_the_sign(task)
        case reason:
            raise UnexpectedInput(f"a reason to work on {task.issue.slug} again", f"{reason}: {task.sections}")


def resolve(task: Assignment) -> Play:
    """The base was merged into the worktree; files may hold conflict marks, or none if that was done before."""
    issue = task.issue
    files = yield from look(issue.paths, "The base moved on. I will look at the conflict.", task.section("feedback"))
    marked = {path: keep_both(content) for path, content in files.items() if conflicted(content)}
    if marked:
        writes = [use(WRITE, path=path, content=content) for path, content in marked.items()]
        for written in (yield say("Both sides only add lines, so both stay.", *writes)):
            written.ok()
    yield from change(issue.steps, files | marked)
    yield from prove([UNIT_TESTS, STRICTER])
    yield finish(issue.subject, f"{issue.summary}\n\nThe base moved on meanwhile; both changes are kept.")


def correct_examples(task: Assignment) -> Play:
    log = task.section("feedback")
    untrue = untrue_lines(log)
    issue = task.issue
    files = yield from look(
        [*issue.paths, "README.md"],
        "CI says that an example in README.md is no longer true. I will look at it.",
    )
    yield from change(issue.steps, files)
    readme = files.get("README.md", "")
    for old, new in untrue:
        if old in readme:
            edit = use(EDIT, path="README.md", old=old, new=new, replace_all=True)
            edited = yield say(f"`{old}` is now `{new}`.", edit)
            edited.only.ok()
        elif new not in readme:
            raise UnexpectedInput(f"README.md with {old!r} or {new!r}", readme)
    yield from prove([UNIT_TESTS, STRICTER])
    yield finish(issue.subject, f"{issue.summary} The examples in README.md show it.")


def untrue_lines(log: str) -> list[tuple[str, str]]:
    """Pairs of what the documentation says and what comes out, as doctest prints them."""
    if "README.md" not in log:
        raise UnexpectedInput("a log that names README.md", log)
    pairs: list[tuple[str, str]] = []
    for found in UNTRUE.finditer(log):
        expected, got = (found[side].splitlines() for side in ("expected", "got"))
        pairs += [(old.strip(), new.strip()) for old, new in zip(expected, got, strict=False) if old != new]
    if not pairs:
        raise UnexpectedInput("a log with what doctest expected and got", log)
    return pairs


def keep_the_sign(task: Assignment) -> Play:
    feedback = task.section("feedback")
    if "divmod" not in feedback or "correction" not in feedback:
        raise UnexpectedInput("a review that says what divmod does to corrections", feedback)
    issue = task.issue
    files = yield from look(issue.paths, "The review is right: -15 minutes come out wrong. I will repair that.")
    if not headline.REPAIR[0].made_in(files[headline.DURATIONS]):
        yield from change(issue.steps, files)
    yield from change(headline.REPAIR, files)
    yield from prove([UNIT_TESTS, STRICTER])
    yield finish(issue.subject, headline.REPAIRED_SUMMARY)


def look(paths: Iterable[str], text: str, also_named_in: str = "") -> Generator[Turn, Results, Files]:
    """List the repository, then read what is there of the paths, all at once."""
    listed = yield say(text, use(LIST), use(SEARCH, pattern=r"^def |^class ", glob="*.py"))
    listing = words(listed[0]).split()
    listed[1].ok()
    if "pyproject.toml" not in listing:
        raise UnexpectedInput("a list of the repository's files", listed[0].text)
    wanted = dict.fromkeys([*paths, *(path for path in listing if path in also_named_in.split())])
    there = [path for path in wanted if path in listing]
    reads = yield say("", *(use(READ, path=path) for path in there))
    return {path: file_content(one) for path, one in zip(there, reads, strict=True)}


def change(steps: Iterable[Step], files: Files) -> Part:
    """Make the steps that are not made yet, one file once in a turn, so that edits never race."""
    waiting = [step for step in steps if not step.made_in(files.get(step.path, ""))]
    while waiting:
        now = first_of_each_file(waiting)
        waiting = [step for step in waiting if step not in now]
        changed = yield say("", *(as_use(step, files) for step in now))
        for step, result in zip(now, changed, strict=True):
            result.ok()
            files[step.path] = applied(step, files)


def first_of_each_file(steps: list[Step]) -> list[Step]:
    first: dict[str, Step] = {}
    for step in steps:
        first.setdefault(step.path, step)
    return list(first.values())


def as_use(step: Step, files: Files) -> ToolUse:
    match step:
        case Edit(path, old, new):
            if files.get(path, "").count(old) != 1:
                raise UnexpectedInput(f"{path} with one place that says {old!r}", files.get(path, "no such file"))
            return use(EDIT, path=path, old=old, new=new)
        case NewFile(path, content):
            return use(WRITE, path=path, content=content)


def applied(step: Step, files: Files) -> str:
    match step:
        case Edit(path, old, new):
            return files[path].replace(old, new)
        case NewFile(_, content):
            return content


def prove(commands: list[str]) -> Part:
    for result in (yield say("Now the tests.", *(use(RUN, command=command) for command in commands))):
        passed(result)


def finish(subject: str, summary: str) -> Turn:
    return say("Everything passes.", use("finish", title=subject, summary=summary))
