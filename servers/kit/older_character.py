"""The original rig's form of a character: everything below `character:`, and what was a matter of course left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

KEY: Final = "character"
ROLES: Final = {
    "dev-e": "dev",
    "ibuild-e": "dev",
    "review-e": "review",
    "judge-e": "review",
    "architect-e": "architect",
    "monitor-e": "monitor",
    "conductor-e": "support",
    "ops-e": "deploy",
}
_STACK = re.compile(r"\(([A-Za-z][\w.-]*)\)")


def is_older(data: Mapping[str, Any]) -> bool:
    """Whether a file is of that form."""
    return set(data) == {KEY} and isinstance(data[KEY], dict)


def completed(older: Mapping[str, Any]) -> dict[str, Any]:
    """The character with what its name says: `Dev-E (Node)` is dev-e-node, a dev of the stack node.

    What the file says itself stands; what its name does not say is left out, for whoever checks it to miss.
    """
    called = str(older.get("name", ""))
    name = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-")
    role = next((role for start, role in ROLES.items() if name == start or name.startswith(f"{start}-")), None)
    stacks = [stack.lower() for stack in _STACK.findall(called)] if role == "dev" else []
    known = {
        "title": called if called != name else None,
        "role": role,
        "stacks": stacks,
        "git": {"name": called, "email": f"{name}@users.noreply.github.com"} if name else None,
    }
    own = {key: value for key, value in known.items() if value}
    return {**own, **older, **({"name": name} if name else {}), **_listed(older.get("cron"))}


def _listed(cron: Any) -> dict[str, Any]:
    """One prompt as a list of one."""
    return {"cron": [cast(Any, cron)]} if isinstance(cron, dict) else {}
