"""The demo's repository as it is copied."""

from __future__ import annotations

from pathlib import Path

from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.seed import TEMPLATE, write_repository


def test_hidden_files_come_along_and_compiled_ones_do_not(tmp_path: Path) -> None:
    write_repository(tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {".github/workflows/ci.yml", ".rig-agent.yaml", ".gitignore", "AGENTS.md", "tests/__init__.py"} <= files
    assert not [path for path in files if path.endswith(".pyc")]


def test_titles_and_slugs_tell_the_ten_issues_apart() -> None:
    assert len({issue.title for issue in ISSUES}) == len({issue.slug for issue in ISSUES}) == 10


def test_every_issue_brings_a_change_note_and_names_its_criteria() -> None:
    for issue in ISSUES:
        assert any(path.startswith("changes/") for path in issue.paths)
        assert "- [ ] " in issue.body


def test_only_edits_touch_files_that_are_there() -> None:
    created = {path for issue in ISSUES for path in issue.paths if not (TEMPLATE / path).exists()}
    edited = {path for issue in ISSUES for path in issue.paths} - created
    assert all(path.startswith(("changes/", "tests/", "tally/")) for path in created)
    assert "README.md" in edited
