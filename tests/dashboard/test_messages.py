"""The page's list of messages: escaped, with what became of each."""

from __future__ import annotations

from datetime import UTC, datetime

from conductor.messages import Message
from dashboard.messages import LONGEST, message_list

AT = datetime(2026, 11, 20, 17, 0, 5, tzinfo=UTC)


def test_a_message_shows_how_far_it_got() -> None:
    sent = Message(id=1, sender="ada", role="person", to="dev-e", text="Mind the tests.", sent_at=AT)
    read = sent.model_copy(update={"delivered_at": AT, "delivered_to": "dev-e-1", "read_at": AT})
    assert message_list([sent]).count("–") == 2
    shown = message_list([read])
    assert shown.startswith("<h2>Messages</h2>")
    assert shown.count(">17:00:05<") == 3
    assert "dev-e<small>dev-e-1</small>" in shown


def test_what_people_wrote_is_escaped_and_cut() -> None:
    wild = Message(id=1, sender="<b>", to="&", text="<script>" * 100, sent_at=AT)
    shown = message_list([wild])
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert shown.count("&lt;script&gt;") == LONGEST // len("<script>")


def test_without_messages_there_is_no_list() -> None:
    assert message_list([]) == ""
