from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from conductor.logbook import LogLine
from conductor.presence import AgentView, PauseView
from conductor.runs import RunView, StepView
from conductor.views import EventView, IssueView
from dashboard.agents import agent_table
from dashboard.page import Shown, issue_table, page
from dashboard.runs import run_list

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


def pause(**changes: Any) -> PauseView:
    fields: dict[str, Any] = {"scope": "rig", "by": "ada", "reason": "", "since": NOW, "until": None, "now": False}
    return PauseView(**fields | changes)


def agent(**changes: Any) -> AgentView:
    fields: dict[str, Any] = {"agent": "dev-e", "instance": "dev-e-0", "role": "dev", "step": "", "issue": None}
    fields |= {"kind": None, "seen_at": NOW, "state": "working"}
    return AgentView(**fields | changes)


def line(**changes: Any) -> LogLine:
    fields: dict[str, Any] = {"id": 1, "agent": "dev-e", "run": "r", "issue": "", "text": "x", "at": NOW}
    return LogLine(**fields | changes)


def step(**changes: Any) -> StepView:
    fields: dict[str, Any] = {"step": "assigned", "ok": True, "at": NOW, "seconds": 1.5}
    return StepView(**fields | changes)


def run(**changes: Any) -> RunView:
    fields: dict[str, Any] = {
        "run": "0190c1e2-0000-7000-8000-00005f72ab31",
        "agent": "dev-e-node",
        "instance": "dev-e-node-0",
        "issue": "ada/tally#12",
        "kind": "implement",
        "attempt": 1,
        "models": ["m"],
        "status": "completed",
        "reason": "",
        "started_at": NOW,
        "ended_at": NOW,
        "seconds": 93.2,
        "turns": 14,
        "input_tokens": 1234,
        "output_tokens": 567,
        "cache_read_tokens": 10921,
        "cache_write_tokens": 4305,
        "usd": 0.21,
        "pull_request": 131,
        "pull_request_url": "https://github.example/ada/tally/pull/131",
        "steps": [step(), step(step="implement", ok=None)],
    }
    return RunView(**fields | changes)


def test_a_run_is_shown_as_the_original_showed_it() -> None:
    shown = run_list("ada/tally#12", [run()])
    assert "dev-e-node/5f72ab31 · 20 Nov 10:11 <a href" in shown
    assert "93s · $0.21 · 14 turns · 1,234 in / 567 out / 10,921 cache-read / 4,305 cache-write" in shown
    assert ">PR #131</a>" in shown
    assert "✓ assigned" in shown
    assert "… implement" in shown


def test_an_agent_that_does_nothing_says_why() -> None:
    table = agent_table([agent(state="paused", why=["anthropic is at its usage limit until 14:30 UTC."])])
    assert 'class="state paused"' in table
    assert "anthropic is at its usage limit until 14:30 UTC." in table


def test_an_issue_shows_its_state_its_holder_and_links_to_issue_and_pull_request() -> None:
    table = issue_table([issue(waits_for=["CI has not finished."])])
    assert 'class="state in_progress">in progress<' in table
    assert "dev-e-python" in table
    assert "CI has not finished." in table
    assert 'href="https://github.example/ada/tally/issues/12"' in table
    assert 'href="https://github.example/ada/tally/pull/34"' in table


def test_other_peoples_words_never_become_markup() -> None:
    shown = page(
        Shown(
            issues=[issue(issue=EVIL, title=EVIL, holder=EVIL, step=EVIL, waits_for=[EVIL])],
            events=[event(issue=EVIL, type=EVIL, actor=EVIL)],
            pauses=[pause(text=EVIL)],
            agents=[agent(agent=EVIL, instance=EVIL, issue=EVIL, step=EVIL, why=[EVIL])],
            lines=[line(agent=EVIL, text=EVIL)],
        ),
        7,
        1,
    ) + run_list(EVIL, [run(agent=EVIL, reason=EVIL, steps=[step(step=EVIL)])])
    assert "<script>alert" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;") == 21


def test_an_address_that_is_not_http_is_shown_but_not_linked() -> None:
    table = issue_table([issue(url="javascript:alert(1)", pull_request=None)])
    assert "href" not in table
    assert "ada/tally#12" in table


def test_dollar_signs_of_a_title_stay_as_they_are() -> None:
    assert "costs $5 and $position" in page(Shown([issue(title="costs $5 and $position")]), 0, 0)


def test_the_page_says_where_the_stream_goes_on_and_shows_the_newest_event_first() -> None:
    shown = page(Shown(events=[event(position=1, type="FIRST"), event(position=2, type="SECOND")]), 2, 9)
    assert 'data-position="2" data-line="9"' in shown
    assert shown.index("SECOND") < shown.index("FIRST")


def test_without_issues_it_says_how_to_begin() -> None:
    assert "agent-ready" in issue_table([])
