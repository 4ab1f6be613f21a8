import unittest

from tally.durations import format_duration
from tally.report import render


class TextReport(unittest.TestCase):
    def test_one_line_a_group_in_columns(self):
        expected = f"support  {format_duration(30):>8}\nwebsite  {format_duration(150):>8}"
        self.assertEqual(render({"support": 30, "website": 150}), expected)

    def test_nothing_to_report_is_an_empty_text(self):
        self.assertEqual(render({}), "")

    def test_an_unknown_format_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected one of text"):
            render({}, "runes")
