"""The developer's scripts on the real files of the demo's repository."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rig.doubles.anthropic.script import UnexpectedInput
from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.headline import HEADLINE
from rig.doubles.demo.model import DemoIssue
from tests.doubles.demo.office import Office, git, opening

CHECKS = "Examples and change notes"
OTHERS = [issue for issue in ISSUES if issue is not HEADLINE]


def named(issue: DemoIssue) -> str:
    return issue.slug


def tree(folder: Path) -> dict[str, str]:
    return {
        path: (folder / path).read_text() for path in git(folder, "ls-files", "-co", "--exclude-standard").split()
    }


async def test_the_repository_passes_its_own_ci(office: Office) -> None:
    assert (await office.main.ci()).failed == []


@pytest.mark.parametrize("issue", OTHERS, ids=named)
async def test_a_change_passes_ci(branched: Office, issue: DemoIssue) -> None:
    assert (await branched.desk(issue).ci()).failed == []


@pytest.mark.parametrize("issue", OTHERS, ids=named)
async def test_the_tests_of_a_change_fail_without_it(branched: Office, tmp_path: Path, issue: DemoIssue) -> None:
    office = branched.copy(tmp_path / "office")
    desk = office.desk(issue)
    changed = git(desk.folder, "diff", "--name-only", "--diff-filter=M", "main").split()
    git(desk.folder, "checkout", "-q", "main", "--", *changed)
    failed = (await desk.ci()).failed
    assert failed == ["Unit tests"] or changed == ["README.md"]


async def test_the_first_push_of_the_headline_fails_only_where_the_fast_tests_do_not_look(branched: Office) -> None:
    ci = await branched.desk(HEADLINE).ci()
    assert ci.failed == [CHECKS]
    assert "README.md" in ci.log


async def test_the_headline_is_repaired_by_the_log_and_then_by_the_review(branched: Office, tmp_path: Path) -> None:
    desk = branched.copy(tmp_path / "office").desk(HEADLINE)
    log = (await desk.ci()).log[-4000:]
    desk.commit(await desk.play(opening(HEADLINE, "rework", "ci_failed", feedback=log)))
    assert (await desk.ci()).failed == []

    first = await desk.play(opening(HEADLINE, "review", diff=desk.diff()))
    assert first is not None
    assert first["verdict"] == "request_changes"
    comment = first["comments"][0]
    line = (desk.folder / comment["path"]).read_text().splitlines()[comment["line"] - 1]
    assert "divmod(minutes, 60)" in line

    feedback = f"{first['summary']}\n\n{comment['path']}:{comment['line']}: {comment['body']}"
    desk.commit(await desk.play(opening(HEADLINE, "rework", "changes_requested", feedback=feedback)))
    assert (await desk.ci()).failed == []
    assert "2.5 h" not in (desk.folder / "README.md").read_text()

    second = await desk.play(opening(HEADLINE, "review", diff=desk.diff()))
    assert second is not None
    assert (second["verdict"], second["comments"]) == ("approve", [])


ORDERS = {
    "as filed": [*ISSUES],
    "backwards": [*reversed(ISSUES)],
    **{f"shuffled {seed}": random.Random(seed).sample(ISSUES, len(ISSUES)) for seed in (1, 2)},
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
async def test_ten_changes_made_at_once_merge_in_any_order(
    branched: Office, tmp_path: Path, order: list[DemoIssue]
) -> None:
    office = branched.copy(tmp_path / "office")
    await finish_headline(office)
    conflicts: list[str] = []
    for issue in order:
        if not office.merge(issue):
            conflicts += await office.resolve(issue)
            review = await office.desk(issue).play(opening(issue, "review", diff=office.desk(issue).diff()))
            assert review is not None
            assert review["verdict"] == "approve"
            assert office.merge(issue)
    assert conflicts == ["tally/report.py"]
    assert (await office.main.ci()).failed == []


async def finish_headline(office: Office) -> None:
    desk = office.desk(HEADLINE)
    log = (await desk.ci()).log
    desk.commit(await desk.play(opening(HEADLINE, "rework", "ci_failed", feedback=log)))
    words = "divmod is wrong for a correction"
    desk.commit(await desk.play(opening(HEADLINE, "rework", "changes_requested", feedback=words)))


async def test_ten_changes_made_one_after_the_other_need_no_resolution(office: Office) -> None:
    for issue in random.Random(3).sample(OTHERS, len(OTHERS)):
        desk = office.desk(issue)
        desk.commit(await desk.play(opening(issue, "implement")))
        assert office.merge(issue)
    desk = office.desk(HEADLINE)
    desk.commit(await desk.play(opening(HEADLINE, "implement")))
    await finish_headline(office)
    assert office.merge(HEADLINE)
    assert (await office.main.ci()).failed == []


@pytest.mark.parametrize("issue", ISSUES, ids=named)
async def test_a_run_killed_after_any_round_is_taken_up_from_the_beginning(
    office: Office, branched: Office, issue: DemoIssue
) -> None:
    desk = office.desk(issue)
    for rounds in range(2, 6):
        await desk.play(opening(issue, "implement"), rounds)
    assert await desk.play(opening(issue, "implement"))
    assert tree(desk.folder) == tree(branched.desk(issue).folder)


async def test_a_resolution_killed_half_way_is_taken_up_from_the_beginning(branched: Office, tmp_path: Path) -> None:
    office = branched.copy(tmp_path / "office")
    csv, markdown = ISSUES[3], ISSUES[6]
    assert office.merge(csv)
    desk = office.desk(markdown)
    git(desk.folder, "merge", "-q", "main", check=False)
    task = opening(markdown, "rework", "merge_conflict", feedback="tally/report.py")
    for rounds in (2, 3):
        assert await desk.play(task, rounds) is None
    assert await desk.play(task)
    assert (await desk.ci()).failed == []


async def test_a_file_that_is_not_what_the_script_was_written_for_is_refused(office: Office) -> None:
    desk = office.desk(ISSUES[5])
    (desk.folder / "tally/entries.py").write_text("class Entry: ...\n")
    with pytest.raises(UnexpectedInput, match=r"one place that says .* came: class Entry"):
        await desk.play(opening(ISSUES[5], "implement"))


async def test_tests_that_fail_are_refused(office: Office) -> None:
    desk = office.desk(ISSUES[5])
    (desk.folder / "tests/test_red.py").write_text("raise RuntimeError\n")
    with pytest.raises(UnexpectedInput, match="ends with 0 and says OK"):
        await desk.play(opening(ISSUES[5], "implement"))


@pytest.mark.parametrize("reason", ["ci_failed", "changes_requested", "surprise"])
async def test_an_unforeseen_reason_to_work_again_is_refused(office: Office, reason: str) -> None:
    with pytest.raises(UnexpectedInput, match="a reason to work on"):
        await office.desk(ISSUES[5]).play(opening(ISSUES[5], "rework", reason, feedback="no idea"))


async def test_a_log_that_does_not_name_the_documentation_is_refused(branched: Office) -> None:
    with pytest.raises(UnexpectedInput, match="a log that names README"):
        await branched.desk(HEADLINE).play(opening(HEADLINE, "rework", "ci_failed", feedback="Segmentation fault"))
