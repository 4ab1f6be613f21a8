"""Which lines can be commented on."""

from __future__ import annotations

from servers.github.lines import ROOM, fold, shown_lines, split
from servers.github.models import LineComment

PATCH = (
    "@@ -1,4 +1,5 @@ def f():\n one\n-two\n+2\n+2.5\n three\n\n@@ -20 +21 @@\n-x\n+y\n\\ No newline at end of file"
)


def test_added_and_surrounding_lines_are_shown_and_removed_ones_are_not() -> None:
    assert shown_lines(PATCH) == {1, 2, 3, 4, 5, 21}


def test_a_file_without_a_patch_shows_no_line() -> None:
    assert shown_lines("") == set()


def test_comments_are_split_by_the_diff() -> None:
    near = LineComment(path="a.py", line=2, body="near")
    far = LineComment(path="a.py", line=10, body="far")
    unknown = LineComment(path="b.py", line=1, body="unknown")
    assert split([near, far, unknown], {"a.py": PATCH}) == ([near], [far, unknown])


def test_folding_keeps_every_word() -> None:
    far = LineComment(path="a.py", line=10, body="one\ntwo")
    assert fold("Summary.", [far]).startswith("Summary.\n\n")
    assert "- `a.py:10` one\n  two" in fold("", [far])
    assert fold("Summary.", []) == "Summary."


def test_what_is_folded_fits_into_one_review() -> None:
    far = [LineComment(path="a.py", line=10, body="x" * 10_000)] * 20
    assert len(fold("Summary.", far)) == ROOM + 1
