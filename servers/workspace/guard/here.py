"""The place that a folder of this machine is: its repository, the branch it is on, its policy."""

from __future__ import annotations

import os
from pathlib import Path

from servers.workspace.guard.place import Place
from servers.workspace.guard.policy import Policy, base

HEAD = "ref: refs/heads/"


def repository_of(folder: Path) -> Path:
    """The root of the repository that `folder` is in; where there is none, the folder."""
    real = folder.resolve()
    return next((parent for parent in (real, *real.parents) if (parent / ".git").exists()), real)


def branch_of(root: Path) -> str:
    """The branch that a repository or worktree is on; empty where there is none."""
    git = root / ".git"
    try:
        if git.is_file():
            git = root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return head.removeprefix(HEAD) if head.startswith(HEAD) else ""


def place_of(
    root: Path,
    branch: str | None = None,
    person: bool = False,
    policy: Policy | None = None,
) -> Place:
    """What a verdict depends on in the workspace `root`.

    Args:
        branch: The branch of the work; by default the one that the workspace is on.
    """
    own = branch_of(root) if branch is None else branch
    lives = os.path.expanduser("~")  # noqa: PTH111 -- pathlib raises where there is no home
    return Place(str(root), branch=own, person=person, policy=policy or base(), home=lives)
