import unittest
from datetime import date

from tally.entries import Entry
from tally.summary import total_by

ENTRIES = [
    Entry(date(2026, 3, 2), "website", 90),
    Entry(date(2026, 3, 2), "support", 45),
    Entry(date(2026, 3, 3), "website", 60),
    Entry(date(2026, 3, 3), "support", -15),
]


class Totals(unittest.TestCase):
    def test_by_project(self):
        self.assertEqual(total_by("project", ENTRIES), {"support": 30, "website": 150})

    def test_by_day(self):
        self.assertEqual(total_by("day", ENTRIES), {"2026-03-02": 135, "2026-03-03": 45})
