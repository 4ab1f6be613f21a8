"""What a change stands on."""

from __future__ import annotations

from dataclasses import dataclass

from agents.workspace import Merge


@dataclass(frozen=True)
class Ground:
    """The commits that a change is made from and compared with.

    Attributes:
        head: The commit whose files the model starts from.
        since: The commit on the base from which the whole pull request is seen.
        base: The base branch's head, which the change also has as parent where `merge` is set.
        seen: The branch's head on the remote as we know it, over which we push; None where there is no branch.
        earlier: Whether `head` holds unfinished work of an earlier run.
    """

    head: str
    since: str
    base: str
    merge: Merge | None = None
    seen: str | None = None
    earlier: bool = False

    @property
    def parents(self) -> list[str]:
        return [self.head, self.base] if self.merge else [self.head]
