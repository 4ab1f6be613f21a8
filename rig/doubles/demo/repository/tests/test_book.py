import unittest
from datetime import date

from tally.book import describe, read_book
from tally.durations import format_duration
from tally.entries import Entry, parse_entry

BOOK = """
2026-03-02  website   1h 30m  landing page
2026-03-02  support   45m
2026-03-03  support   -15m    counted twice
"""


class Reading(unittest.TestCase):
    def test_entries_come_in_the_order_they_were_written(self):
        projects = [entry.project for entry in read_book(BOOK)]
        self.assertEqual(projects, ["website", "support", "support"])

    def test_a_line_has_a_day_a_project_a_duration_and_a_note(self):
        entry = parse_entry("2026-03-02  website   1h 30m  landing page")
        self.assertEqual(entry, Entry(date(2026, 3, 2), "website", 90, "landing page"))

    def test_a_line_that_misses_something_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected a day"):
            parse_entry("2026-03-02  website")


class Describing(unittest.TestCase):
    def test_a_note_stands_in_brackets(self):
        entry = Entry(date(2026, 3, 2), "website", 90, "landing page")
        self.assertEqual(describe(entry), f"website: {format_duration(90)} (landing page)")
