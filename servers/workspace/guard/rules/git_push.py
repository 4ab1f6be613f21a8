"""What `git push` may do: the own branch, to the one remote, without taking anything away from others."""

from __future__ import annotations

import re

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.scope import Scope
from servers.workspace.guard.verdict import Blocked

VALUES = ("-o", "--push-option", "--repo", "--receive-pack", "--exec")
FORCE = "It rewrites what others see. Push new commits; --force-with-lease is fine on your own branch."
EVERYTHING = {"--mirror": 4, "--all": 4, "--branches": 5, "--prune": 5, "--delete": 4}


def push(sub: Invocation) -> None:
    """Judge `git push …`.

    Raises:
        Blocked: It forces, deletes, goes to a protected branch or to another place.
    """
    options = [word for word in sub.args if word.startswith("-")]
    _check_options(options)
    remote, *refs = [*sub.positionals(VALUES)] or [""]
    _check_remote(sub, [*sub.option("--repo")][:1] or [remote])
    leased = any(word.startswith("--force-w") for word in options)
    if not refs:
        _check_branch(sub.shell, sub.shell.branch, leased)
    for position, ref in enumerate(refs):
        if ref == "tag" or refs[position - 1 : position] == ["tag"]:
            continue
        _check_ref(sub.shell, ref, leased)


def _check_options(options: list[str]) -> None:
    for word in options:
        name = word.split("=")[0]
        if (len(name) > 4 and "--force".startswith(name)) or re.fullmatch(r"-[a-zA-Z46]*f[a-zA-Z46]*", word):
            raise Blocked(f"{word}: {FORCE}")
        if any(len(name) >= least and flag.startswith(name) for flag, least in EVERYTHING.items()):
            raise Blocked(f"{word}: it pushes or deletes more than your own branch. Push that alone.")
        if re.fullmatch(r"-[a-zA-Z46]*d[a-zA-Z46]*", word):
            raise Blocked(f"{word}: branches of the remote are deleted by the rig when they are merged.")
        if name in ("--receive-pack", "--exec"):
            raise Blocked(f"{name} puts another program under git. Use git as it is set up.")


def _check_remote(sub: Invocation, remotes: list[str]) -> None:
    remote = remotes[0]
    if remote and remote != sub.shell.place.remote and not marks.unknown(remote):
        known = sub.shell.place.remote
        raise Blocked(f"It pushes to {marks.shown(remote)}. Push to {known}, nowhere else.")


def _check_ref(scope: Scope, ref: str, leased: bool) -> None:
    if ref.startswith("+"):
        raise Blocked(f"{ref}: {FORCE}")
    source, colon, target = ref.partition(":")
    if colon and not source:
        if target:
            raise Blocked(f"{ref}: it deletes a branch of the remote. Leave that to the rig.")
        return
    name = (target if colon else source).removeprefix("refs/heads/").removeprefix("heads/")
    if "*" in name:
        raise Blocked(f"{ref}: it pushes more than your own branch. Push that alone.")
    if name in ("HEAD", "@"):
        name = scope.branch
    _check_branch(scope, name, leased)


def _check_branch(scope: Scope, name: str, leased: bool) -> None:
    if name and scope.place.is_protected(name):
        raise Blocked(f"It pushes to {name}, which only the merge gate changes. Push your own branch.")
    own = scope.place.branch
    if leased and own and name and name != own and not marks.unknown(name):
        raise Blocked(f"It rewrites {name}, which is not your branch {own}.")
