"""What kind of failure an event is."""

from __future__ import annotations

from conductor import events as e

FAILURES = (e.AgentStuck, e.LeaseExpired, e.CiFailed)  # a replay asks millions of events, by their type alone


def failure_class(event: e.Event) -> str | None:
    """What kind of failure `event` is; None for what is none, or has no name to compare it by."""
    match event:
        case e.AgentStuck(error_class=name):
            return name or None
        case e.LeaseExpired():
            return "lease_expired"
        case e.CiFailed(checks=checks):
            return "ci:" + ",".join(sorted(checks))
        case _:
            return None
