"""What keeps an issue waiting beside itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor.around import Around, Rules
from conductor.issues.issue import Issue
from servers.kit.character import load_all
from tests.conductor import histories as h

CATALOGUE = load_all(Path(__file__).parents[2] / "characters")


def waits_for(issue: Issue, *characters: str) -> list[str]:
    """Why the issue waits, beside that it is offered, where only these characters exist."""
    known = {name: CATALOGUE[name] for name in characters}
    return Around(Rules(known), {}, [], {}).waits_for(issue)[1:]


def test_a_stack_that_no_character_knows_is_said_with_those_that_are_known() -> None:
    stacks = ", ".join(sorted(CATALOGUE["dev-e-python"].stacks))
    said = [f"No character knows the stack golang; there are {stacks}."]
    assert waits_for(h.queued(stack="golang"), "dev-e-python", "review-e") == said
    assert waits_for(h.queued(stack="python"), "dev-e-python", "review-e") == []


def test_a_judge_that_does_not_exist_is_said() -> None:
    assert waits_for(h.queued(judge="judge-x"), "review-e") == ["There is no character judge-x; there are review-e."]


def test_work_that_is_nobodys_is_said() -> None:
    said = ["No character can do it: none but its authors has review among its work."]
    assert waits_for(h.green(), "dev-e-python") == said


@pytest.mark.parametrize("name", ["queued", "green", "disputed", "merging", "escalated"])
def test_where_no_character_is_known_there_may_be_any(name: str) -> None:
    assert waits_for(h.EVERY[name]) == []
