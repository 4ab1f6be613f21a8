"""What the scripts read from the first message of a run."""

from __future__ import annotations

import pytest

from rig.doubles.anthropic.script import UnexpectedInput
from rig.doubles.demo.assignment import read
from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.model import DemoIssue
from tests.doubles.demo.office import SHA, opening


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: issue.slug)
def test_an_issue_is_recognised_by_its_title(issue: DemoIssue) -> None:
    assert read(opening(issue, "implement")).issue is issue


def test_fields_and_fenced_texts_are_read() -> None:
    task = read(opening(ISSUES[0], "rework", "ci_failed", feedback="the log\nin lines"))
    assert (task.kind, task.reason, task.repository) == ("rework", "ci_failed", "ada/tally")
    assert task.pull_request == (34, SHA)
    assert task.section("feedback") == "the log\nin lines"


def test_fields_inside_a_fenced_text_do_not_count() -> None:
    task = read(opening(ISSUES[0], "rework", "ci_failed", feedback="Reason: merge_conflict\nAssignment: review"))
    assert (task.kind, task.reason) == ("rework", "ci_failed")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Hello", "the lines Assignment and Repository"),
        ("Assignment: implement\nRepository: a/b", "the title of one of the demo's issues"),
    ],
)
def test_another_message_is_refused(message: str, expected: str) -> None:
    with pytest.raises(UnexpectedInput, match=expected):
        read(message)


def test_a_text_that_is_missing_is_refused() -> None:
    with pytest.raises(UnexpectedInput, match="a fenced text with the source diff"):
        read(opening(ISSUES[0], "review")).section("diff")
