"""An issue that says nothing is asked about; one that says something, however clumsily, is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor import comments
from conductor.issues.readiness import EMPTY, NO_CRITERION, UNTOUCHED, Said, answers, questions, with_answers
from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.model import DemoIssue

TEMPLATE = """\
## What happens
<!-- Say what you see. -->

Which version do you use?

## What should happen
- [ ] I searched for it before
"""


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: issue.slug)
def test_every_issue_of_the_demo_is_clear(issue: DemoIssue) -> None:
    assert questions(issue.title, issue.body, [*issue.labels, "agent-ready"], [TEMPLATE]) == []


CLEAR = {
    "one sentence": ("Parser", "The parser should accept a trailing comma."),
    "a symptom": ("Crash", "It crashes with an empty file."),
    "a list": ("Export", "* as CSV\n* as JSON"),
    "an example": ("Durations", "`1:30` is 90 minutes."),
    "a title that says it": ("The report must be sorted by day", "See the title, please. Thank you."),
    "an order": ("Docs", "Add a chapter about backups to the README."),
    "a filled template": ("Bug", TEMPLATE.replace("<!-- Say what you see. -->", "Rows are printed twice.")),
    "a filled form": ("Bug", "### What happened?\n\nIt fails.\n\n### Version\n\n_No response_"),
    "German": ("Fehler", "Die Summe soll auf zwei Stellen gerundet sein."),
    "Japanese": ("バグ", "空のファイルを読み込むと、プログラムが終了せずに固まってしまいます。修正してください。"),
    "many words": ("Thoughts", "word " * 40),
    "only a stack trace": ("Broken", "```\nTraceback\n```"),
    "an imperative like a prompt": ("Flag", "Provide a --json flag that prints one object."),
}


@pytest.mark.parametrize("name", CLEAR)
def test_whatever_says_what_must_hold_is_clear(name: str) -> None:
    title, body = CLEAR[name]
    assert questions(title, body, ["agent-ready", "bug", "needs-info"], [TEMPLATE]) == []


PROMPTS = """\
**Describe the bug**
A clear and concise description of what the bug is.

**To Reproduce**
Steps to reproduce the behavior:
1. Go to '...'
2. Click on '....'
3. See error
"""
VAGUE = {
    "nothing": ("Add feature 1", "", EMPTY),
    "blanks": ("Add feature 1", " \n\t\n", EMPTY),
    "a comment": ("Add feature 1", "<!-- describe it -->", EMPTY),
    "an open comment": ("Add feature 1", "<!-- describe it", EMPTY),
    "the template": ("Bug", TEMPLATE, UNTOUCHED),
    "the template with a tick": ("Bug", TEMPLATE.replace("[ ]", "[x]"), UNTOUCHED),
    "headings": ("Bug", "## What\n\n## Why\n", UNTOUCHED),
    "an empty form": ("Bug", "### What happened?\n\n_No response_\n\n### Version\n\nN/A", UNTOUCHED),
    "GitHub's own prompts": (
        "Bug",
        PROMPTS,
        UNTOUCHED,
    ),
    "two words": ("Login", "Do it.", NO_CRITERION),
    "a wish": ("Login", "Make the login nicer please.", NO_CRITERION),
    "an opinion": ("Speed", "The parser is awfully slow and nobody likes it.", NO_CRITERION),
}


@pytest.mark.parametrize("name", VAGUE)
def test_what_says_nothing_is_asked_about_once(name: str) -> None:
    title, body, question = VAGUE[name]
    assert questions(title, body, ["agent-ready"], [TEMPLATE]) == [question]


@pytest.mark.parametrize(
    "label", ["wontfix", "Duplicate", "invalid", "question", "blocked", "do not start", "On_Hold"]
)
def test_labels_that_contradict_each_other_are_asked_about(label: str) -> None:
    [question] = questions("Parser", "It should accept commas.", ["agent-ready", label])
    assert f"`{label}`" in question


def test_other_labels_contradict_nothing() -> None:
    assert (
        questions("Parser", "It should accept commas.", ["agent-ready", "needs-info", "stack:go", "critical"]) == []
    )


@given(st.text(max_size=300), st.text(max_size=2000), st.lists(st.text(max_size=50)), st.lists(st.text(max_size=300)))
def test_any_text_gets_an_answer(title: str, body: str, labels: list[str], templates: list[str]) -> None:
    assert len(questions(title, body, labels, templates)) <= 2


def test_a_long_hostile_text_is_judged_at_once() -> None:
    for piece in (
        "<!--",
        "describe ",
        "[e.g. ",
        "# ",
        "- [ ] ",
        "**a",
        "click on '",
        "a clear and concise description of ",
    ):
        questions("x", piece * 20_000, ["agent-ready"], [piece * 1000])


def said(author: str, body: str, ours: bool = False, counts: bool = True) -> Said:
    return Said(author, body, ours, counts)


def asked(*questions: str) -> Said:
    return said("rig[bot]", comments.questions(list(questions), ""), ours=True, counts=False)


class TestAnswers:
    def test_count_after_the_questions_that_wait(self) -> None:
        one, two = asked("What?"), asked("How <!-- fast?\nReally?")
        early, late = said("ada", "This."), said("bob", "At once.")
        assert answers([early], ["What?"]) == ([], False)
        assert answers([early, one], ["What?"]) == ([], False)
        assert answers([one, early], ["What?"]) == ([early], True)
        assert answers([one, early], ["How <!-- fast?\nReally?"]) == ([early], False)
        assert answers([one, early, two], ["How <!-- fast?\nReally?"]) == ([early], False)
        assert answers([one, early, two, late], ["How <!-- fast?\nReally?"]) == ([early, late], True)

    def test_of_strangers_and_of_the_rig_itself_do_not_count(self) -> None:
        stranger, empty = said("eve", "No!", counts=False), said("ada", "  ")
        rig = said("rig[bot]", "**The rig needs a person here.**", ours=True, counts=True)
        assert answers([asked("What?"), stranger, empty, rig], ["What?"]) == ([], False)

    def test_quoting_the_questions_is_an_answer(self) -> None:
        quoting = said("ada", f"> {comments.QUESTIONS_OPEN}\n\nThis.")
        assert answers([asked("What?"), quoting], ["What?"]) == ([quoting], True)

    def test_stand_at_the_end_of_the_text_and_are_bounded(self) -> None:
        assert with_answers("Do it.", []) == "Do it."
        text = with_answers("Do it.\n", [said("ada", "This.\n"), said("bob", "And that.")])
        assert text == "Do it.\n\n## Answers\n\n**ada:** This.\n\n**bob:** And that."
        assert len(with_answers("", [said("ada", "x" * 60_000)] * 100)) < 100_000


def test_the_longest_list_of_questions_still_fits_into_what_is_read_of_a_comment() -> None:
    assert len(comments.questions(["x" * 600] * 10, "judge-e")) < 10_000
