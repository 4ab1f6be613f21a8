from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from conductor.views import EventView, IssueView
from dashboard.page import issue_table, page

NOW = datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\"'&"


def issue(**changes: Any) -> IssueView:
    fields: dict[str, Any] = {
        "issue": "ada/tally#12",
        "title": "Write hours and minutes",
        "state": "in_progress",
        "priority": "normal",
        "url": "https://github.example/ada/tally/issues/12",
        "holder": "dev-e-python",
        "step": "tests",
        "waits_for": [],
        "pull_request": 34,
        "head": "a" * 40,
        "attempt": 1,
        "updated_at": NOW,
    }
    return IssueView(**fields | changes)


def event(**changes: Any) -> EventView:
    fields: dict[str, Any] = {
        "position": 7,
        "issue": "ada/tally#12",
        "type": "ISSUE_APPROVED",
        "data": {},
        "actor": "ada",
        "recorded_at": NOW,
    }
    return EventView(**fields | changes)


def test_an_issue_shows_its_state_its_holder_and_links_to_issue_and_pull_request() -> None:
    table = issue_table([issue(waits_for=["CI has not finished."])])
    assert 'class="state in_progress">in progress<' in table
    assert "dev-e-python" in table
    assert "CI has not finished." in table
    assert 'href="https://github.example/ada/tally/issues/12"' in table
    assert 'href="https://github.example/ada/tally/pull/34"' in table


def test_other_peoples_words_never_become_markup() -> None:
    shown = page(
        [issue(issue=EVIL, title=EVIL, holder=EVIL, step=EVIL, waits_for=[EVIL])],
        [event(issue=EVIL, type=EVIL, actor=EVIL)],
        7,
    )
    assert "<script>alert" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;") == 8


def test_an_address_that_is_not_http_is_shown_but_not_linked() -> None:
    table = issue_table([issue(url="javascript:alert(1)", pull_request=None)])
    assert "href" not in table
    assert "ada/tally#12" in table


def test_dollar_signs_of_a_title_stay_as_they_are() -> None:
    assert "costs $5 and $position" in page([issue(title="costs $5 and $position")], [], 0)


def test_the_page_says_where_the_stream_goes_on_and_shows_the_newest_event_first() -> None:
    shown = page([], [event(position=1, type="FIRST"), event(position=2, type="SECOND")], 2)
    assert 'data-position="2"' in shown
    assert shown.index("SECOND") < shown.index("FIRST")


def test_without_issues_it_says_how_to_begin() -> None:
    assert "agent-ready" in issue_table([])
