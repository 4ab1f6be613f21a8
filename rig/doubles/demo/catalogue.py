"""The ten issues in the order they are filed; the fourth and the seventh meet on the same lines."""

from __future__ import annotations

from typing import Final

from rig.doubles.demo import features, fixes
from rig.doubles.demo.headline import HEADLINE
from rig.doubles.demo.model import DemoIssue

ISSUES: Final[tuple[DemoIssue, ...]] = (
    HEADLINE,
    features.CLOCK,
    fixes.BYTE_ORDER_MARK,
    features.CSV,
    features.WEEKS,
    fixes.LETTER_CASE,
    features.MARKDOWN,
    features.SINCE,
    fixes.LINE_NUMBERS,
    fixes.MISTAKES,
)
