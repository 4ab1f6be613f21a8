"""The first page as HTML; every word that comes from outside is escaped here and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from conductor.views import EventView, IssueView

STATIC = Path(__file__).parent / "static"
PAGE = Template((STATIC / "page.html").read_text(encoding="utf-8"))
NOTHING = '<p class="nothing">No issues yet. Label one <code>agent-ready</code> and it appears here.</p>'


def page(issues: Sequence[IssueView], events: Sequence[EventView], position: int) -> str:
    """The whole page: issues, newest events first, and where the live stream goes on."""
    return PAGE.substitute(
        issues=issue_table(issues), events="".join(_event(event) for event in reversed(events)), position=position
    )


def issue_table(issues: Sequence[IssueView]) -> str:
    """The issues with how many are in each state."""
    if not issues:
        return NOTHING
    counts = Counter(issue.state for issue in issues)
    summary = "".join(f"<li>{_badge(state)} {count}</li>" for state, count in counts.most_common())
    rows = "".join(_row(issue) for issue in issues)
    head = "<tr><th>Issue<th>State<th>Who<th>Pull request<th>Changed</tr>"
    return f'<ul class="counts">{summary}</ul><table><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(issue: IssueView) -> str:
    waiting = "".join(f"<small>{escape(reason)}</small>" for reason in issue.waits_for)
    step = f"<small>{escape(issue.step)}</small>" if issue.step else ""
    return (
        f"<tr><td>{_link(issue.url, issue.issue)}<span>{escape(issue.title)}</span></td>"
        f"<td>{_badge(issue.state)}{waiting}</td><td>{escape(issue.holder or '')}{step}</td>"
        f"<td>{_pull_request(issue)}</td><td>{_time(issue.updated_at)}</td></tr>"
    )


def _pull_request(issue: IssueView) -> str:
    if issue.pull_request is None:
        return ""
    base, found, _ = issue.url.rpartition("/issues/")
    return _link(f"{base}/pull/{issue.pull_request}" if found else "", f"#{issue.pull_request}")


def _event(event: EventView) -> str:
    issue = f"<span>{escape(event.issue)}</span>" if event.issue else ""
    return f"<li>{_time(event.recorded_at)} <b>{escape(event.type)}</b> {issue} <i>{escape(event.actor)}</i></li>"


def _time(moment: datetime) -> str:
    text = moment.isoformat(timespec="seconds")
    return f'<time datetime="{text}">{text[11:19]}</time>'


def _badge(state: str) -> str:
    return f'<span class="state {escape(state)}">{escape(state.replace("_", " "))}</span>'


def _link(url: str, text: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        return escape(text)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(text)}</a>'
