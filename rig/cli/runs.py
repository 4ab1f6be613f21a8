"""`rig agents` and `rig runs`: who works, who does not and why, and what each run used and cost."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from rig.cli.asking import ask
from rig.cli.issues import require_issue
from rig.cli.output import clean, console, hanging, print_json, print_table
from servers.kit.errors import InvalidInput

NOBODY = "No agents yet. They appear with their first work."
NONE = "No runs yet."
PAUSABLE = re.compile(r"rig|agent:[\w-]+|[\w.-]+/[\w.-]+")
MARKS = {True: "✓", False: "✗", None: "…"}


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command(name="agents")(list_agents)
    root.command(name="runs")(list_runs)
    root.command(name="pause")(pause)
    root.command(name="resume")(resume)


def list_agents(json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """List agents and people with what they do, or why they do nothing, and what is paused."""
    agents, pauses = ask("list_agents", {})["result"], ask("list_pauses", {})["result"]
    if json:
        print_json({"agents": agents, "pauses": pauses})
        return
    for one in pauses:
        console().print(clean(one["text"]), markup=False)
    if not agents:
        console().print(NOBODY)
        return
    print_table(("agent", "state", "issue", "what", "seen"), map(_agent, agents))


def list_runs(
    issue: Annotated[str | None, typer.Argument(help="Only those on owner/repo#12 or owner/repo~7")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent's")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show runs, newest first: outcome, time, money, model calls, tokens and steps."""
    if issue:
        require_issue(issue, or_chore=True)
    runs: list[dict[str, Any]] = ask("list_runs", {"issue": issue, "agent": agent, "limit": limit})["result"]
    if json:
        print_json(runs)
    elif not runs:
        console().print("No such runs." if issue or agent else NONE)
    for run in [] if json else runs:
        console().print(record(run, console().width), markup=False)


def pause(
    scope: Annotated[str, typer.Argument(help="rig, owner/repo, or agent:<name>")] = "rig",
    reason: Annotated[str, typer.Option(help="Why, for those who wonder")] = "",
    now: Annotated[bool, typer.Option("--now", help="Also stop what runs; its work is saved")] = False,
) -> None:
    """Hand out no new work, in the whole rig, a repository or to an agent."""
    if not PAUSABLE.fullmatch(scope):
        raise InvalidInput(f"{scope!r} cannot be paused; name rig, owner/repo or agent:<name>.")
    ask("pause", {"scope": scope, "reason": reason, "now": now})
    console().print(f"{scope} is paused. Go on with: rig resume {scope}", markup=False)


def resume(
    scope: Annotated[
        str, typer.Argument(help="What was paused; also provider:<name>, budget, or budget:<agent>")
    ] = "rig",
) -> None:
    """End a pause: of a provider's usage limit too, or of a day's spent money, which it has once more."""
    ask("resume", {"scope": scope})
    console().print(f"{scope} goes on.", markup=False)


def record(run: dict[str, Any], width: int = 100) -> str:
    """A run as lines for people, in the form of the rig's first version."""
    pull = f" · PR #{run['pull_request']}" if run["pull_request"] else ""
    issue = f"{run['issue']} ({run['kind']})"
    cost = f"{_money(run['usd'])} · {run['turns']} turns"
    into = f"{run['input_tokens']:,} in / {run['output_tokens']:,} out"
    cache = f"{run['cache_read_tokens']:,} cache-read / {run['cache_write_tokens']:,} cache-write"
    lines = [
        f"Run: {run['agent']}/{run['run'][-8:]} · {_second(run['started_at'])} · {issue}{pull}",
        f"Status: {run['status'].replace('_', ' ')} · {run['seconds']:.0f}s · {cost}",
        *([hanging(run["reason"], width)] if run["reason"] else []),
        f"Tokens: {into} / {cache}",
        "Steps:",
        *(f"  {MARKS[step['ok']]} {step['step']:<32} {step['seconds']:>8.1f}s" for step in run["steps"]),
    ]
    return clean("\n".join(lines)) + "\n"


def _agent(one: dict[str, Any]) -> list[str]:
    idle = "" if one["role"] == "person" else "waits for work"
    what = one["step"] if one["state"] == "working" else "\n".join(one["why"]) or idle
    return [one["instance"], one["state"], one["issue"] or "", what, _second(one["seen_at"])]


def _second(moment: str) -> str:
    return moment[:19].replace("T", " ")


def _money(usd: float) -> str:
    from servers.kit.money import Money

    return str(Money.of(usd))
