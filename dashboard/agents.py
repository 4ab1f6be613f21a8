"""Who is there, what is paused and why somebody does nothing, as parts of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from conductor.presence import AgentView, PauseView
from dashboard.html import badge, moment

SHOWN = 30
NOBODY = '<p class="nothing">No agents yet. They appear with their first work.</p>'


def pause_list(pauses: Sequence[PauseView]) -> str:
    """What is paused, each in a sentence; nothing where nothing is."""
    if not pauses:
        return ""
    return f'<ul class="pauses">{"".join(f"<li>{escape(pause.text)}</li>" for pause in pauses)}</ul>'


def agent_table(agents: Sequence[AgentView]) -> str:
    """Agents and people, what each does or why it does nothing."""
    if not agents:
        return NOBODY
    rows = "".join(_row(agent) for agent in agents[:SHOWN])
    head = "<tr><th>Who<th>State<th>What<th>Seen</tr>"
    return f'<table class="agents"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(agent: AgentView) -> str:
    doing = f"{agent.issue or ''} {agent.step if agent.state == 'working' else ''}".strip()
    why = "".join(f"<small>{escape(reason)}</small>" for reason in agent.why)
    return (
        f"<tr><td>{escape(agent.agent)}<span>{escape(agent.instance)}</span></td><td>{badge(agent.state)}</td>"
        f"<td>{escape(doing)}{why}</td><td>{moment(agent.seen_at)}</td></tr>"
    )
