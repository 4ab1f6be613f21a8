"""`rig issues` and `rig issue show`: what the rig knows, asked over MCP as everybody asks."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from rig.cli.asking import ask
from rig.cli.output import clean, console, print_json, print_table
from servers.kit.errors import InvalidInput

NOTHING = "The rig knows no issues yet. Label one `agent-ready`."
app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command(name="issues")(list_issues)
    root.add_typer(app, name="issue", help="Look at one issue.")


def list_issues(
    repository: Annotated[str | None, typer.Option(help="Only this one, as owner/repo")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state, such as in_review")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """List the issues that the rig knows, with their state."""
    _require_state(state)
    issues = ask("list_issues", {"repository": repository, "state": state, "limit": limit})["result"]
    if json:
        print_json(issues)
    elif not issues:
        console().print("No such issues." if repository or state else NOTHING)
    else:
        columns = ("issue", "state", "priority", "holder", "title")
        print_table(columns, ([one[name] or "" for name in columns] for one in issues))


def _require_state(state: str | None) -> None:
    from typing import get_args

    from conductor.issues.issue import Status

    if state is not None and state not in get_args(Status):
        raise InvalidInput(f"There is no state {state}; there are {', '.join(get_args(Status))}.")


@app.callback()
def issue() -> None:
    """Look at one issue."""


@app.command()
def show(
    issue: Annotated[str, typer.Argument(help="As owner/repo#12")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show one issue's state and everything that happened to it, in order."""
    require_issue(issue)
    answer = ask("get_issue", {"issue": issue})
    if json:
        print_json(answer)
        return
    _print_issue(answer)


def require_issue(issue: str, or_chore: bool = False) -> None:
    """Refuse what does not name an issue.

    Args:
        or_chore: Whether a chore may be named as well, as owner/repo~7.

    Raises:
        InvalidInput: It is not written so.
    """
    if not re.fullmatch(rf"[\w.-]+/[\w.-]+{'[#~]' if or_chore else '#'}\d{{1,9}}", issue):
        chore = ", or a chore as owner/repo~7" if or_chore else ""
        raise InvalidInput(f"{issue!r} is not an issue; write it as owner/repo#12{chore}.")


def _print_issue(issue: dict[str, Any]) -> None:
    console().print(f"{issue['issue']}  {issue['state']}  {clean(issue['title'])}", markup=False)
    for reason in issue["waits_for"]:
        console().print(f"  {clean(reason)}", markup=False)
    told = [event for event in issue["timeline"] if event["type"] != "TOKEN_USAGE"]
    print_table(("when", "event", "what"), ((_second(e["recorded_at"]), e["type"], _told(e)) for e in told))
    usages = [event["data"] for event in issue["timeline"] if event["type"] == "TOKEN_USAGE"]
    if usages:
        usd = sum(usage.get("usd") or 0 for usage in usages)
        console().print(f"The model answered {len(usages)} times, for ${usd:.4f}.")


def _second(moment: str) -> str:
    return moment[:19].replace("T", " ")


def _told(event: dict[str, Any]) -> str:
    """What happened in words; where there are none, who did it and the event's own fields."""
    from rig.demo.story import in_words

    data = event["data"]
    match event["type"]:
        case "ISSUE_APPROVED":
            return f"approved by {data['approved_by']}"
        case "ISSUE_UNASSIGNED":
            return f"{data['agent']}: {data['reason']}"
        case _:
            return in_words(event) or f"{event['actor']}: {_gist(data)}"


def _gist(data: dict[str, Any]) -> str:
    text = ", ".join(f"{name} {value}" for name, value in data.items() if value not in (None, "", [], {}))
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:119]}…"
