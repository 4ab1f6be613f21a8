"""A scripted model for a person's Claude Code: lists issues, claims one, reports on it and releases it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, Turn, UnexpectedInput, replay, say, use

ISSUE: Final = re.compile(r"[\w.-]+/[\w.-]+#\d+")


def play(request: MessagesRequest) -> Turn:
    """Claude Code also asks for titles and topics, without offering tools; those get a few words."""
    if not any(name.startswith("mcp__rig__") for name in request.tool_names):
        return Turn('{"title": "Working with the rig"}')
    return replay(request, person())


def person() -> Play:
    listed = yield say("I will look at what the rig has.", use("mcp__rig__list_issues"))
    if not ISSUE.search(listed.only.ok()):
        raise UnexpectedInput("a list with an issue like owner/repo#12", listed.only.text)
    claimed = yield say("There is work. I will take one.", use("mcp__rig__claim_assignment"))
    claim = claim_in(claimed.only.ok())
    data = {"note": "looked at by a person"}
    reported = yield say(
        f"I hold {claim['issue']}; I will report that I started.",
        use("mcp__rig__report_event", type="WORK_STARTED", claim=claim, data=data),
    )
    if "recorded" not in reported.only.ok():
        raise UnexpectedInput("an answer that says whether it was recorded", reported.only.text)
    reason = "a person only wanted to look"
    released = yield say("Enough for now.", use("mcp__rig__release_assignment", claim=claim, reason=reason))
    released.only.ok()
    yield say(f"Done: {claim['issue']} was listed, claimed, reported and released.")


def claim_in(answer: str) -> dict[str, Any]:
    try:
        assignment = json.loads(answer).get("assignment")
        return {"issue": assignment["claim"]["issue"], "fence": assignment["claim"]["fence"]}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnexpectedInput("an assignment with its claim", answer) from error
