"""Where the rig stops by itself and asks a person: numbers that an operator may set."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How often, how long and for how much the rig goes on alone.

    Attributes:
        strikes: Failed attempts at one piece of work before a person is asked.
        reviews: Rounds of review without an approval.
        ci_failures: Repairs of red CI.
        same_failure: Failures of one class on an issue, but for red CI.
        repository_failures: Failures of one class across a repository's issues within an hour; it is paused then.
        usd: US dollars spent on an issue without a new commit or green check.
        usd_per_issue, turns_per_issue: What all agents together may spend on an issue, in money and model calls.
        usd_per_day, turns_per_day: What the whole rig may spend in a day (UTC).
        open_issues: Issues of a repository that may be in work at once.
        progress_minutes, review_minutes, merge_minutes: How long work, a review and a merge may stand still.
        ci_minutes: How long CI may go without a result.
    """

    strikes: int = 2
    reviews: int = 5
    ci_failures: int = 3
    same_failure: int = 3
    repository_failures: int = 5
    usd: float = 2.0
    usd_per_issue: float | None = None
    turns_per_issue: int | None = None
    usd_per_day: float | None = None
    turns_per_day: int | None = None
    open_issues: int = 3
    progress_minutes: float = 30
    review_minutes: float = 20
    merge_minutes: float = 15
    ci_minutes: float = 60
