"""The records of an issue's runs and what its agents said, as a part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from conductor.logbook import LogLine
from conductor.runs import RunView, StepView, headline, totals
from dashboard.html import badge, link, moment

NONE = '<p class="nothing">Nobody has worked on it yet.</p>'


def run_list(issue: str, runs: Sequence[RunView]) -> str:
    """Every run on an issue, newest first."""
    shown = "".join(_run(run) for run in runs) or NONE
    return f"<h2>{escape(issue)}</h2>{shown}"


def log_lines(lines: Sequence[LogLine]) -> str:
    """What agents said, newest first."""
    return "".join(_line(line) for line in reversed(lines))


def _run(run: RunView) -> str:
    pull = link(run.pull_request_url, f"PR #{run.pull_request}") if run.pull_request else ""
    reason = f"<small>{escape(run.reason)}</small>" if run.reason else ""
    steps = "".join(_step(step) for step in run.steps)
    return (
        f'<article class="run"><h3>{escape(headline(run))} {pull}</h3><p>{badge(run.status)} '
        f"{escape(totals(run))}</p>{reason}<ol>{steps}</ol></article>"
    )


def _step(step: StepView) -> str:
    mark = {True: "✓", False: "✗", None: "…"}[step.ok]
    return f"<li>{mark} {escape(step.step)} {moment(step.at)} <i>{step.seconds:.1f} s</i></li>"


def _line(line: LogLine) -> str:
    step = ' class="step"' if line.step else ""
    return f"<li{step}>{moment(line.at)} <b>{escape(line.agent)}</b> <span>{escape(line.text)}</span></li>"
