"""The first page as HTML; every word that comes from outside is escaped here and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    head = "<tr><th>Issue<th>State<th>Agent<th>Pull request<th>Changed</tr>"
    return f'<ul class="counts">{summary}</ul><table><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(issue: IssueView) -> str:
    pull = _link(issue.pull_url, f"#{issue.pull_number}") if issue.pull_number else ""
    changed = issue.updated_at.isoformat(timespec="seconds")
    return (
        f"<tr><td>{_link(issue.url, issue.issue)}<span>{escape(issue.title)}</span></td>"
        f"<td>{_badge(issue.state)}</td><td>{escape(issue.agent or '')}</td><td>{pull}</td>"
        f'<td><time datetime="{changed}">{changed[11:19]}</time></td></tr>'
    )


def _event(event: EventView) -> str:
    when = event.recorded_at.isoformat(timespec="milliseconds")
    return (
        f'<li><time datetime="{when}">{when[11:19]}</time> <b>{escape(event.type)}</b>'
        f" <span>{escape(event.issue or event.stream)}</span> <i>{escape(event.actor)}</i></li>"
    )


def _badge(state: str) -> str:
    return f'<span class="state {escape(state)}">{escape(state.replace("_", " "))}</span>'


def _link(url: str | None, text: str) -> str:
    if not url or urlsplit(url).scheme not in ("http", "https"):
        return escape(text)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(text)}</a>'
