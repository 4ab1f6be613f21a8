"""Serves the memory server alone, over HTTP."""

from __future__ import annotations

import sys

from servers.kit import logs
from servers.kit.alone import serve_alone
from servers.kit.claims import ConductorClaims
from servers.kit.serve import ended, run
from servers.memory.server import part
from servers.memory.settings import AloneSettings, MemorySettings


def serve() -> None:
    """Read the settings and serve."""
    alone = AloneSettings.load()
    logs.configure(alone.log_level)
    memory = MemorySettings.load()
    run(serve_alone(alone, lambda conductor: part(memory, ConductorClaims(conductor), conductor)))


def main() -> int:
    """Serve until told to stop."""
    return ended(serve)


if __name__ == "__main__":
    sys.exit(main())
