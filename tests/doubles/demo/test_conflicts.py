"""Both sides of a conflict are kept."""

from __future__ import annotations

from rig.doubles.demo.conflicts import conflicted, keep_both

IMPORTS = """\
<<<<<<< HEAD
from tally.markdown_report import as_markdown
=======
from tally.csv_report import as_csv
>>>>>>> main
from tally.text_report import as_text
"""
ENTRIES = """\
    "text": as_text,
<<<<<<< HEAD
    "markdown": as_markdown,
    "both": as_both,
||||||| base
=======
    "csv": as_csv,
    "both": as_both,
>>>>>>> main
}
"""


def test_imports_are_kept_in_their_order() -> None:
    assert keep_both(IMPORTS).splitlines() == [
        "from tally.csv_report import as_csv",
        "from tally.markdown_report import as_markdown",
        "from tally.text_report import as_text",
    ]


def test_the_base_comes_first_and_what_both_added_stays_once() -> None:
    assert keep_both(ENTRIES).splitlines() == [
        '    "text": as_text,',
        '    "csv": as_csv,',
        '    "both": as_both,',
        '    "markdown": as_markdown,',
        "}",
    ]


def test_only_a_file_with_marks_is_conflicted() -> None:
    assert conflicted(IMPORTS)
    assert not conflicted(keep_both(IMPORTS))
    assert keep_both(keep_both(ENTRIES)) == keep_both(ENTRIES)
