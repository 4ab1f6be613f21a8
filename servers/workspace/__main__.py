"""Serves the workspace over standard input and output."""

from __future__ import annotations

import asyncio
import sys

from servers.kit import logs
from servers.kit.errors import RigError
from servers.kit.serve import serve_stdio
from servers.workspace.server import part
from servers.workspace.settings import WorkspaceSettings


def main() -> int:
    """Serve until standard input ends."""
    logs.configure("WARNING")
    try:
        asyncio.run(serve_stdio(part(WorkspaceSettings.load())))
    except RigError as error:
        logs.get(__name__).error(str(error), code=error.code())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
