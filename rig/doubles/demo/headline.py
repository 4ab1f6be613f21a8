"""Issue 1, which the demo tells in full: red in CI, repaired, sent back by the review, repaired, merged."""

from __future__ import annotations

from typing import Final

from rig.doubles.demo.model import DemoIssue, Edit, NewFile

BODY: Final = """\
Our customers read the reports, and nobody thinks in tenths of an hour. `0.8 h` should be `45m`.

### Wanted

`format_duration` writes hours and minutes, the way `parse_duration` reads them:

| minutes | now | wanted |
|---|---|---|
| 150 | `2.5 h` | `2h 30m` |
| 120 | `2.0 h` | `2h` |
| 45 | `0.8 h` | `45m` |
| 0 | `0.0 h` | `0m` |

### Acceptance criteria

- [ ] Reports show hours and minutes as in the table.
- [ ] What `format_duration` writes, `parse_duration` reads back, for every entry a book may hold.
- [ ] The documentation shows the new reports.
"""

DURATIONS: Final = "tally/durations.py"
TESTS: Final = "tests/test_durations.py"
DIVMOD: Final = "    hours, rest = divmod(minutes, 60)"

BEFORE: Final = '''\
    """Hours with one decimal: `2.5 h`."""
    return f"{minutes / 60:.1f} h"
'''
FLAWED: Final = '''\
    """Hours and minutes: `2h 30m`, `2h` or `45m`."""
    hours, rest = divmod(minutes, 60)
    if hours and rest:
        return f"{hours}h {rest}m"
    return f"{hours}h" if hours else f"{rest}m"
'''
SOUND: Final = '''\
    """Hours and minutes: `2h 30m`, `2h`, `45m` or, for a correction, `-15m`."""
    sign = "-" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    if hours and rest:
        return f"{sign}{hours}h {rest}m"
    return f"{sign}{hours}h" if hours else f"{sign}{rest}m"
'''
OLD_TEST: Final = """\
    def test_hours_with_one_decimal(self):
        self.assertEqual(format_duration(150), "2.5 h")
        self.assertEqual(format_duration(0), "0.0 h")
"""
NEW_TEST: Final = """\
    def test_hours_and_minutes(self):
        self.assertEqual(format_duration(150), "2h 30m")

    def test_what_is_zero_is_left_out(self):
        self.assertEqual(format_duration(120), "2h")
        self.assertEqual(format_duration(45), "45m")

    def test_no_time_at_all_is_zero_minutes(self):
        self.assertEqual(format_duration(0), "0m")
"""
SIGN_TEST: Final = """
    def test_a_correction_keeps_its_sign(self):
        self.assertEqual(format_duration(-15), "-15m")
        self.assertEqual(format_duration(-90), "-1h 30m")

    def test_what_is_written_can_be_read_back(self):
        for minutes in range(-200, 200):
            with self.subTest(minutes):
                self.assertEqual(parse_duration(format_duration(minutes)), minutes)
"""

HEADLINE: Final = DemoIssue(
    slug="hours-and-minutes",
    title="Show durations in hours and minutes",
    body=BODY,
    labels=("enhancement",),
    subject="feat: show durations in hours and minutes",
    summary="`format_duration` writes `2h 30m` in place of `2.5 h`: reports read like books.",
    steps=(
        Edit(DURATIONS, BEFORE, FLAWED, done="divmod("),
        Edit(TESTS, OLD_TEST, NEW_TEST),
        NewFile("changes/hours-and-minutes.changed.md", "Durations are shown in hours and minutes, `2h 30m`.\n"),
    ),
    proof=("+    def test_what_is_zero_is_left_out(self):",),
)
REPAIR: Final = (Edit(DURATIONS, FLAWED, SOUND), Edit(TESTS, NEW_TEST, NEW_TEST + SIGN_TEST, done=SIGN_TEST))
REPAIRED: Final = (
    (DURATIONS, "    hours, rest = divmod(abs(minutes), 60)"),
    (TESTS, "    def test_a_correction_keeps_its_sign(self):"),
)
COMPLAINT: Final = """\
`divmod` rounds down, so this is wrong for corrections: -15 is written as `-1h 45m`, and `parse_duration` \
reads that back as -105. Books may hold negative minutes (AGENTS.md), and the issue asks that every entry \
survives the round trip. Take the sign off first, `divmod(abs(minutes), 60)`, put it in front, and add a test \
with a correction."""
REPAIRED_SUMMARY: Final = (
    "`format_duration` writes `2h 30m` in place of `2.5 h`. Corrections keep their sign: it is taken off before "
    "the division and put in front again, and a test reads back what was written from -200 to 199 minutes."
)
