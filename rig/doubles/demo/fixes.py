"""The demo's repairs and its one change to the documentation."""

from __future__ import annotations

from typing import Final

from rig.doubles.demo.model import DemoIssue, Edit, NewFile, after

BYTE_ORDER_MARK: Final = DemoIssue(
    slug="byte-order-mark",
    title="A book saved by Notepad cannot be read",
    body="""\
`tally: Invalid isoformat string` for a file that looks perfectly fine. It was saved on Windows, where Notepad puts
a byte order mark in front of the first line.

- [ ] A book with a byte order mark is read like any other.
""",
    labels=("bug",),
    subject="fix: read books that start with a byte order mark",
    summary="`load_book` reads `utf-8-sig`, which takes a byte order mark away where there is one.",
    steps=(
        Edit("tally/book.py", 'read_text(encoding="utf-8")', 'read_text(encoding="utf-8-sig")'),
        NewFile(
            "tests/test_byte_order_mark.py",
            """\
import tempfile
import unittest
from pathlib import Path

from tally.book import load_book


class ByteOrderMark(unittest.TestCase):
    def test_a_book_with_a_byte_order_mark_is_read_like_any_other(self):
        with tempfile.TemporaryDirectory() as folder:
            book = Path(folder, "hours.txt")
            book.write_text("2026-03-02  website  1h\\n", encoding="utf-8-sig")
            self.assertEqual([entry.minutes for entry in load_book(book)], [60])
""",
        ),
        NewFile("changes/byte-order-mark.fixed.md", "Books that start with a byte order mark can be read.\n"),
    ),
    proof=('+    return read_book(Path(path).read_text(encoding="utf-8-sig"))',),
)
LETTER_CASE: Final = DemoIssue(
    slug="letter-case",
    title="Website and website are counted apart",
    body="""\
My phone likes to start words with a capital letter. In the report I then have `Website` and `website`.

- [ ] Projects that differ only in case are one project, written in small letters.
""",
    labels=("bug",),
    subject="fix: count a project once, however it is capitalised",
    summary="`parse_entry` folds the case of project names, so `Website` and `website` are one project.",
    steps=(
        Edit("tally/entries.py", "        project=project,\n", "        project=project.casefold(),\n"),
        NewFile(
            "tests/test_letter_case.py",
            '''\
import unittest

from tally.book import read_book
from tally.summary import total_by

BOOK = """
2026-03-02  Website  1h
2026-03-03  website  30m
"""


class LetterCase(unittest.TestCase):
    def test_projects_that_differ_only_in_case_are_one(self):
        self.assertEqual(total_by("project", read_book(BOOK)), {"website": 90})
''',
        ),
        NewFile("changes/letter-case.fixed.md", "Projects that differ only in case are counted as one.\n"),
    ),
    proof=("+        project=project.casefold(),",),
)
LINE_NUMBERS: Final = DemoIssue(
    slug="line-numbers",
    title="Say which line of the book is wrong",
    body="""\
`tally: expected a duration such as 1h 30m, found 'lunch'` is true, but my book has 900 lines.

- [ ] The error starts with the line's number, counted from 1, empty lines included.
""",
    labels=("bug",),
    subject="fix: name the line that cannot be read",
    summary="`read_book` puts the line's number in front of what `parse_entry` complains about.",
    steps=(
        Edit(
            "tally/book.py",
            """\
    for line in text.splitlines():
        if line.strip():
            entries.append(parse_entry(line))
""",
            """\
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entries.append(parse_entry(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
""",
        ),
        NewFile(
            "tests/test_line_numbers.py",
            """\
import unittest

from tally.book import read_book


class LineNumbers(unittest.TestCase):
    def test_an_error_names_the_line_and_empty_lines_count(self):
        with self.assertRaisesRegex(ValueError, "^line 3: expected a duration"):
            read_book("2026-03-02  website  1h\\n\\n2026-03-02  website  lunch\\n")
""",
        ),
        NewFile("changes/line-numbers.fixed.md", "An error in a book names its line.\n"),
    ),
    proof=('+            raise ValueError(f"line {number}: {error}") from error',),
)
MISTAKES: Final = DemoIssue(
    slug="explain-mistakes",
    title="Document what happens with mistakes in a book",
    body="""\
The README shows how things go well. What does a program get when somebody writes `soon` for a duration?

- [ ] A section with an example that CI runs, like the others.
""",
    labels=("documentation",),
    subject="docs: show what a mistake in a book leads to",
    summary="The README says what a mistake leads to, a `ValueError` with a reason; CI runs the example.",
    steps=(
        after(
            "README.md",
            "takes back time that was counted by mistake. It is added up like any other.\n",
            """
## Mistakes

Whatever cannot be read is a `ValueError` that says what was expected:

```python
>>> parse_duration("soon")
Traceback (most recent call last):
ValueError: expected a duration such as 1h 30m, found 'soon'

```
""",
        ),
        NewFile("changes/explain-mistakes.added.md", "The README explains what a mistake in a book leads to.\n"),
    ),
    proof=("+## Mistakes", '+>>> parse_duration("soon")'),
)
