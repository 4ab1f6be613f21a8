"""What kind of failure an event is."""

from __future__ import annotations

from conductor import events as e

FAILURES = (e.AgentStuck, e.LeaseExpired, e.CiFailed)


def failure_class(event: e.Event) -> str | None:
    """What kind of failure `event` is; None for what is none, or has no name to compare it by."""
    if type(event) not in FAILURES:  # nearly all are none, and a replay asks about millions
        return None
    match event:
        case e.AgentStuck(error_class=name):
            return name or None
        case e.CiFailed(checks=checks):
            return "ci:" + ",".join(sorted(checks))
        case _:
            return "lease_expired"
