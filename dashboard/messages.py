"""What people and agents told each other, with receipts, as a part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from conductor.messages import Message

SHOWN = 10
LONGEST = 200


def message_list(messages: Sequence[Message]) -> str:
    """The newest messages and how far each got; nothing where there are none."""
    if not messages:
        return ""
    rows = "".join(_row(message) for message in messages[:SHOWN])
    head = "<tr><th>Message<th>From<th>To<th>Sent<th>Delivered<th>Read</tr>"
    return f'<h2>Messages</h2><table class="messages"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _row(message: Message) -> str:
    text = message.text if len(message.text) <= LONGEST else f"{message.text[:LONGEST]}…"
    to = f"<small>{escape(message.delivered_to)}</small>" if message.delivered_to else ""
    return (
        f"<tr><td>{escape(text)}</td><td>{escape(message.sender)}</td><td>{escape(message.to)}{to}</td>"
        f"<td>{_time(message.sent_at)}</td><td>{_time(message.delivered_at)}</td><td>{_time(message.read_at)}</td></tr>"
    )


def _time(moment: datetime | None) -> str:
    if moment is None:
        return "–"
    text = moment.isoformat(timespec="seconds")
    return f'<time datetime="{text}">{text[11:19]}</time>'
