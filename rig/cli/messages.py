"""`rig message` and `rig messages`: steer a running agent, and see when it was told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rig.cli.asking import ask
from rig.cli.output import clean, console, print_json, print_table

NOTHING = "No messages."


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command(name="message")(send)
    root.command(name="messages")(show)


def send(
    to: Annotated[str, typer.Argument(help="An agent, a person, or whoever has an issue: owner/repo#12")],
    text: Annotated[str, typer.Argument(help="What to say")],
) -> None:
    """Send a message; a running agent's model sees it at its next turn."""
    message = ask("send_message", {"to": to, "text": text})
    console().print(f"Sent as {message['id']}. See with `rig messages --sent` when it is delivered and read.")


def show(
    sent: Annotated[bool, typer.Option("--sent", help="Those that you sent, with their receipts")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show your unread messages, which count as read from now on, or those that you sent."""
    found = ask("read_messages", {"sent": sent})["result"]
    if json:
        print_json(found)
    elif not found:
        console().print(NOTHING)
    elif sent:
        print_table(("id", "to", "sent", "delivered", "read", "text"), map(_receipts, found))
    else:
        columns = ("from", "sent", "text")
        print_table(columns, ([one["sender"], _second(one["sent_at"]), clean(one["text"])] for one in found))


def _receipts(one: dict[str, Any]) -> list[str]:
    told = _second(one["delivered_at"])
    if one["delivered_to"]:
        told = f"{told} to {one['delivered_to']}"
    return [str(one["id"]), one["to"], _second(one["sent_at"]), told, _second(one["read_at"]), clean(one["text"])]


def _second(moment: str | None) -> str:
    return moment[:19].replace("T", " ") if moment else "not yet"
