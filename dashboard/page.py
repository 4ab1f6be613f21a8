"""The first page as HTML; every word that comes from outside is escaped here and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from conductor.logbook import LogLine
from conductor.messages import Message
from conductor.presence import AgentView, PauseView
from conductor.views import EventView, IssueView
from dashboard.agents import agent_table, pause_list
from dashboard.html import badge, link, moment
from dashboard.messages import message_list
from dashboard.runs import log_lines

STATIC = Path(__file__).parent / "static"
PAGE = Template((STATIC / "page.html").read_text(encoding="utf-8"))
NOTHING = '<p class="nothing">No issues yet. Label one <code>agent-ready</code> and it appears here.</p>'


@dataclass(frozen=True)
class Shown:
    """Everything that stands on the page when it is opened."""

    issues: Sequence[IssueView] = ()
    messages: Sequence[Message] = ()
    pauses: Sequence[PauseView] = ()
    agents: Sequence[AgentView] = ()
    events: Sequence[EventView] = ()
    lines: Sequence[LogLine] = ()


def page(shown: Shown, position: int, line: int) -> str:
    """The whole page, newest events and lines first, and where the live streams go on."""
    return PAGE.substitute(
        issues=work(shown),
        events="".join(_event(event) for event in reversed(shown.events)),
        lines=log_lines(shown.lines),
        position=position,
        line=line,
    )


def work(shown: Shown) -> str:
    """The part that is drawn anew when something happened: what is paused, issues, messages, agents."""
    agents = f"<h2>Agents</h2>{agent_table(shown.agents)}"
    return pause_list(shown.pauses) + issue_table(shown.issues) + message_list(shown.messages) + agents


def issue_table(issues: Sequence[IssueView]) -> str:
    """The issues with how many are in each state."""
    if not issues:
        return NOTHING
    counts = Counter(issue.state for issue in issues)
    summary = "".join(f"<li>{badge(state)} {count}</li>" for state, count in counts.most_common())
    rows = "".join(_row(issue) for issue in issues)
    head = "<tr><th>Issue<th>State<th>Who<th>Pull request<th>Changed<th></tr>"
    return f'<ul class="counts">{summary}</ul><table><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(issue: IssueView) -> str:
    waiting = "".join(f"<small>{escape(reason)}</small>" for reason in issue.waits_for)
    step = f"<small>{escape(issue.step)}</small>" if issue.step else ""
    return (
        f"<tr><td>{link(issue.url, issue.issue)}<span>{escape(issue.title)}</span></td>"
        f"<td>{badge(issue.state)}{waiting}</td><td>{escape(issue.holder or '')}{step}</td>"
        f"<td>{_pull_request(issue)}</td><td>{moment(issue.updated_at)}</td>"
        f'<td><button data-issue="{escape(issue.issue)}">Runs</button></td></tr>'
    )


def _pull_request(issue: IssueView) -> str:
    if issue.pull_request is None:
        return ""
    base, found, _ = issue.url.rpartition("/issues/")
    return link(f"{base}/pull/{issue.pull_request}" if found else "", f"#{issue.pull_request}")


def _event(event: EventView) -> str:
    issue = f"<span>{escape(event.issue)}</span>" if event.issue else ""
    return f"<li>{moment(event.recorded_at)} <b>{escape(event.type)}</b> {issue} <i>{escape(event.actor)}</i></li>"
