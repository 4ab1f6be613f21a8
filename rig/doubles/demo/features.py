"""The demo's features; the two new report formats touch the same lines on purpose."""

from __future__ import annotations

from typing import Final

from rig.doubles.demo.model import DemoIssue, NewFile, after, before

CLOCK: Final = DemoIssue(
    slug="clock-durations",
    title="Accept durations written like a clock",
    body="""\
I copy hours from our phone system, which writes `1:30`. tally says `expected a duration such as 1h 30m`.

- [ ] `1:30` is 90 minutes, `0:45` is 45, `-0:15` is a correction of 15 minutes.
- [ ] More than 59 minutes behind the colon is a mistake and stays one.
""",
    labels=("enhancement",),
    subject="feat: read durations written like a clock",
    summary="`parse_duration` also reads `1:30`; more than 59 minutes behind the colon are refused.",
    steps=(
        after(
            "tally/durations.py",
            "    written = text.strip()\n",
            """\
    if clock := CLOCK.fullmatch(written):
        minutes = int(clock["hours"]) * 60 + int(clock["rest"])
        return -minutes if clock["sign"] else minutes
""",
        ),
        before(
            "tally/durations.py",
            "WRITTEN = ",
            'CLOCK = re.compile(r"(?P<sign>-?)(?P<hours>\\d+):(?P<rest>[0-5]\\d)")\n',
        ),
        NewFile(
            "tests/test_clock_durations.py",
            """\
import unittest

from tally.durations import parse_duration


class ClockDurations(unittest.TestCase):
    def test_hours_and_minutes_may_be_written_like_a_clock(self):
        self.assertEqual(parse_duration("1:30"), 90)
        self.assertEqual(parse_duration("0:45"), 45)

    def test_a_correction_may_be_written_like_a_clock(self):
        self.assertEqual(parse_duration("-0:15"), -15)

    def test_sixty_minutes_are_an_hour(self):
        with self.assertRaises(ValueError):
            parse_duration("1:60")
""",
        ),
        NewFile("changes/clock-durations.added.md", "Durations may be written like a clock, `1:30`.\n"),
    ),
    proof=("+    if clock := CLOCK.fullmatch(written):", '+            parse_duration("1:60")'),
)
CSV: Final = DemoIssue(
    slug="csv-report",
    title="Report as CSV for spreadsheets",
    body="""\
Accounting pastes our totals into a spreadsheet by hand. `--format csv` would save them an hour a month.

- [ ] A header line `name,minutes`, then one line a group, minutes as a number.
- [ ] Names with a comma are quoted.
""",
    labels=("enhancement",),
    subject="feat: report as CSV",
    summary="`--format csv` writes the totals for spreadsheets; the standard library's `csv` quotes names.",
    steps=(
        before("tally/report.py", "from tally.text_report", "from tally.csv_report import as_csv\n"),
        after("tally/report.py", '    "text": as_text,\n', '    "csv": as_csv,\n'),
        NewFile(
            "tally/csv_report.py",
            '''\
"""The report for spreadsheets."""

import csv
import io


def as_csv(totals: dict[str, int]) -> str:
    """A header, then one line a group with its minutes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\\n")
    writer.writerow(["name", "minutes"])
    writer.writerows(totals.items())
    return out.getvalue().rstrip("\\n")
''',
        ),
        NewFile(
            "tests/test_csv_report.py",
            """\
import unittest

from tally.report import render


class CsvReport(unittest.TestCase):
    def test_a_header_and_one_line_a_group(self):
        self.assertEqual(render({"support": 30, "website": 150}, "csv"), "name,minutes\\nsupport,30\\nwebsite,150")

    def test_a_name_with_a_comma_is_quoted(self):
        self.assertIn('"fish, chips",5', render({"fish, chips": 5}, "csv"))
""",
        ),
        NewFile("changes/csv-report.added.md", "Totals can be reported as CSV with `--format csv`.\n"),
    ),
    proof=('+    "csv": as_csv,', "+    def test_a_name_with_a_comma_is_quoted(self):"),
)
MARKDOWN: Final = DemoIssue(
    slug="markdown-report",
    title="Report as a Markdown table",
    body="""\
We paste totals into the weekly notes, which are Markdown. Please add `--format markdown`.

- [ ] A table with the columns Name and Time, times to the right.
- [ ] A `|` in a name does not break the table.
""",
    labels=("enhancement",),
    subject="feat: report as a Markdown table",
    summary="`--format markdown` writes the totals as a table; a `|` in a name is escaped.",
    steps=(
        before("tally/report.py", "from tally.text_report", "from tally.markdown_report import as_markdown\n"),
        after("tally/report.py", '    "text": as_text,\n', '    "markdown": as_markdown,\n'),
        NewFile(
            "tally/markdown_report.py",
            '''\
"""The report for notes and pull requests."""

from tally.durations import format_duration


def as_markdown(totals: dict[str, int]) -> str:
    """A table, its times to the right."""
    rows = [f"| {name.replace('|', chr(92) + '|')} | {format_duration(m)} |" for name, m in totals.items()]
    return "\\n".join(["| Name | Time |", "|---|---:|", *rows])
''',
        ),
        NewFile(
            "tests/test_markdown_report.py",
            """\
import unittest

from tally.durations import format_duration
from tally.report import render


class MarkdownReport(unittest.TestCase):
    def test_a_table_with_one_row_a_group(self):
        rows = render({"support": 30}, "markdown").splitlines()
        self.assertEqual(rows, ["| Name | Time |", "|---|---:|", f"| support | {format_duration(30)} |"])

    def test_a_bar_in_a_name_is_escaped(self):
        self.assertIn("| a\\\\|b |", render({"a|b": 5}, "markdown"))
""",
        ),
        NewFile(
            "changes/markdown-report.added.md",
            "Totals can be reported as a table with `--format markdown`.\n",
        ),
    ),
    proof=('+    "markdown": as_markdown,', "+    def test_a_bar_in_a_name_is_escaped(self):"),
)
WEEKS: Final = DemoIssue(
    slug="totals-by-week",
    title="Totals by week",
    body="""\
Our contracts are by the week. `--by week` should add up ISO weeks, written `2026-W10`.

- [ ] Days of one ISO week are one group.
- [ ] The first days of January may belong to the last week of the old year.
""",
    labels=("enhancement",),
    subject="feat: total by ISO week",
    summary="`--by week` adds up ISO weeks; the year is the week's year, so 2027-01-01 belongs to `2026-W53`.",
    steps=(
        before(
            "tally/summary.py",
            "GROUPS: ",
            '''\
def by_week(entry: Entry) -> str:
    """Entries of one ISO week belong together; its year may be another than the day's."""
    year, week, _ = entry.day.isocalendar()
    return f"{year}-W{week:02}"


''',
        ),
        after("tally/summary.py", '    "day": by_day,\n', '    "week": by_week,\n'),
        NewFile(
            "tests/test_totals_by_week.py",
            """\
import unittest
from datetime import date

from tally.entries import Entry
from tally.summary import total_by


class TotalsByWeek(unittest.TestCase):
    def test_days_of_one_week_are_one_group(self):
        days = [date(2026, 3, 2), date(2026, 3, 8), date(2026, 3, 9)]
        totals = total_by("week", [Entry(day, "website", 60) for day in days])
        self.assertEqual(totals, {"2026-W10": 120, "2026-W11": 60})

    def test_new_years_day_may_belong_to_the_old_year(self):
        self.assertEqual(total_by("week", [Entry(date(2027, 1, 1), "website", 5)]), {"2026-W53": 5})
""",
        ),
        NewFile("changes/totals-by-week.added.md", "Totals can be added up by ISO week with `--by week`.\n"),
    ),
    proof=('+    "week": by_week,', "+    def test_new_years_day_may_belong_to_the_old_year(self):"),
)
SINCE: Final = DemoIssue(
    slug="since-a-day",
    title="Only count entries since a day",
    body="""\
I keep one book a year but bill by the month. `--since 2026-03-01` should leave out what is older.

- [ ] The day itself counts.
- [ ] Without the option everything counts, as today.
""",
    labels=("enhancement",),
    subject="feat: count only entries since a day",
    summary="`--since 2026-03-01` leaves out older entries; the day itself counts.",
    steps=(
        before(
            "tally/__main__.py",
            "    return parser\n",
            '    parser.add_argument("--since", type=date.fromisoformat, help="the first day that counts")\n',
        ),
        after("tally/__main__.py", "import sys\n", "from datetime import date\n"),
        before(
            "tally/__main__.py",
            "    print(render(",
            "    if options.since:\n        entries = [entry for entry in entries if entry.day >= options.since]\n",
        ),
        NewFile(
            "tests/test_since.py",
            """\
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from tally.__main__ import main

BOOK = "2026-02-28  old  1h\\n2026-03-01  new  1h\\n"


class Since(unittest.TestCase):
    def totals(self, *options):
        out = io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            book = Path(folder, "hours.txt")
            book.write_text(BOOK, encoding="utf-8")
            with contextlib.redirect_stdout(out):
                main([str(book), *options])
        return out.getvalue()

    def test_older_entries_are_left_out_and_the_day_itself_counts(self):
        self.assertNotIn("old", self.totals("--since", "2026-03-01"))
        self.assertIn("new", self.totals("--since", "2026-03-01"))

    def test_without_the_option_everything_counts(self):
        self.assertIn("old", self.totals())
""",
        ),
        NewFile("changes/since-a-day.added.md", "`--since 2026-03-01` counts only entries from that day on.\n"),
    ),
    proof=("+    if options.since:", "+    def test_without_the_option_everything_counts(self):"),
)
