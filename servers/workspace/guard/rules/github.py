"""GitHub by its command: reading and pull requests, but no merging, approving or settings."""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.rules.network import CARRIED
from servers.workspace.guard.verdict import Blocked

VALUES = (
    "-X", "--method", "-f", "--raw-field", "-F", "--field", "-H", "--header", "-q", "--jq", "-t", "--template",
    "--input",
    "-p", "--preview", "--cache", "--hostname",
)  # fmt: skip
ADDRESSES = re.compile(
    r"/merges?\b|/reviews\b|/protection|/rulesets|/git/refs|/actions/(secrets|variables|permissions)|/hooks|/collaborators"
    r"|/keys|/invitations|/deployments|/releases|/transfer|/dispatches|/environments|/topics|/teams|/installations|/tokens"
)
MUTATIONS = re.compile(
    r"(merge|approve|addPullRequestReview|submitPullRequestReview|enable\w*AutoMerge|enqueue|delete|update"
    r"\w*Protection|create\w*Protection|dismiss|transfer|updateRef|createRef|createCommitOnBranch"
    r"|addCollaborator)", re.I,
)  # fmt: skip


def gh(invocation: Invocation) -> str | None:
    """Judge `gh …`; what is simply forbidden stands in the policy.

    Raises:
        Blocked: `gh api` merges, approves, deletes or changes settings.
    """
    words = invocation.positionals((*VALUES, "-R", "--repo"))
    if words[:1] != ["api"]:
        return _sent(invocation)
    api = invocation._replace(args=invocation.args[invocation.args.index("api") + 1 :])
    address = "".join(api.positionals(VALUES)[:1])
    fields = [*api.option("-f"), *api.option("-F"), *api.option("--field"), *api.option("--raw-field")]
    given = [*api.option("-X"), *api.option("--method")]
    posts = bool(fields) or any(api.option("--input"))
    method = given[0].upper() if given else "POST" if posts else "GET"
    if address == "graphql":
        if any("mutation" in text and MUTATIONS.search(text) for text in [*fields, api.stdin]):
            raise Blocked("Merging, approving and settings belong to the gate and to people.")
    elif method == "DELETE" or (method != "GET" and (ADDRESSES.search(address) or _is_repository(address))):
        raise Blocked("Merging, approving, deleting and settings belong to the gate and to people.")
    return marks.OUTPUT


def _is_repository(address: str) -> bool:
    return bool(re.fullmatch(r"/?repos/[^/]+/[^/]+/?", address)) or address.lstrip("/").startswith(("user", "orgs/"))


def _sent(invocation: Invocation) -> str:
    if any(marks.SECRET in word for word in invocation.args) or marks.SECRET in invocation.stdin:
        raise Blocked("It sends a credential or the environment to GitHub.")
    return marks.OUTPUT if not CARRIED.search(invocation.stdin) else marks.BULK


RULES: dict[str, Callable[[Invocation], str | None]] = {"gh": gh}
