"""Serves the workspace over standard input and output."""

from __future__ import annotations

import asyncio
import sys

from servers.kit import logs
from servers.kit.serve import ended, serve_stdio
from servers.workspace.server import part
from servers.workspace.settings import WorkspaceSettings


def serve() -> None:
    """Read the settings and serve until standard input ends."""
    asyncio.run(serve_stdio(part(WorkspaceSettings.load())))


def main(_arguments: list[str] | None = None) -> int:
    """Serve until standard input ends."""
    logs.configure("WARNING")
    return ended(serve)


if __name__ == "__main__":
    sys.exit(main())
