"""What git says of a new head counts only for the base that the work is for."""

from __future__ import annotations

import pytest

from conductor.intake.pull_look import see_pull
from conductor.merge.policy import Policy
from tests.conductor import histories as h
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import HEAD, NEXT_HEAD, REPOSITORY, pull_request


@pytest.mark.parametrize(("base", "carried"), [("main", True), ("feature/mine", False)])
async def test_an_approval_survives_a_merge_of_its_own_base_and_of_no_other(base: str, carried: bool) -> None:
    issue, github = h.merging(), MemoryGitHub(merged_bases={NEXT_HEAD: HEAD})
    github.show(pull_request(issue, head_sha=NEXT_HEAD, base_ref=base))
    assert (await see_pull(github, issue, REPOSITORY, 34, Policy())).carried is carried
