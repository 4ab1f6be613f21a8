import unittest

from tally.durations import format_duration, parse_duration


class ParseDuration(unittest.TestCase):
    def test_hours_and_minutes(self):
        self.assertEqual(parse_duration("1h 30m"), 90)

    def test_only_hours_or_only_minutes(self):
        self.assertEqual(parse_duration("2h"), 120)
        self.assertEqual(parse_duration("45m"), 45)

    def test_a_correction_is_negative(self):
        self.assertEqual(parse_duration("-15m"), -15)
        self.assertEqual(parse_duration("-1h 15m"), -75)

    def test_anything_else_is_refused(self):
        for text in ("", "-", "soon", "1.5", "h", "30m 1h"):
            with self.subTest(text), self.assertRaises(ValueError):
                parse_duration(text)


class FormatDuration(unittest.TestCase):
    def test_hours_with_one_decimal(self):
        self.assertEqual(format_duration(150), "2.5 h")
        self.assertEqual(format_duration(0), "0.0 h")
