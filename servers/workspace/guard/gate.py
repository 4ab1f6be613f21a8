"""The guard before the workspace server's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servers.kit.errors import Denied
from servers.workspace.guard.here import branch_of
from servers.workspace.guard.judge import judge
from servers.workspace.guard.place import Place
from servers.workspace.guard.policy import with_repository
from servers.workspace.guard.verdict import Allow


class Gate:
    """Lets calls through that the guard allows; nobody can be asked here, so what is unclear is denied.

    Args:
        root: The workspace.
        home: What commands see as their home.
        policy: A file that makes the rig's policy stricter.
    """

    def __init__(self, root: Path, home: Path, policy: Path | None = None) -> None:
        self._root = root
        self._home = home
        self._policy = with_repository(policy)

    def _place(self, reachable: tuple[str, ...]) -> Place:
        home = str(self._home)  # made for this server, and gone with it
        return Place(
            str(self._root),
            branch_of(self._root),
            policy=self._policy,
            home=home,
            scratch=(home,),
            reachable=reachable,
        )

    def admit(self, tool: str, reachable: tuple[str, ...] = (), **given: Any) -> None:
        """Judge one call.

        Args:
            reachable: Hosts that the repository's policy lets commands reach.

        Raises:
            Denied: The guard does not let it happen; the reason says what to do instead.
        """
        verdict = judge(tool, given, self._place(reachable))
        if not isinstance(verdict, Allow):
            raise Denied(verdict.reason)
