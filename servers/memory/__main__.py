"""Serves the memory server alone, over HTTP."""

from __future__ import annotations

import sys

from servers.kit import logs
from servers.kit.auth import Verifier
from servers.kit.claims import ConductorClaims
from servers.kit.client import tool_client
from servers.kit.errors import RigError
from servers.kit.serve import build_app, run, serve_http
from servers.memory.server import part
from servers.memory.settings import AloneSettings, MemorySettings


async def serve(alone: AloneSettings, memory: MemorySettings) -> None:
    """Serve until told to stop."""
    conductor = alone.conductor_url.rstrip("/")
    async with tool_client(f"{conductor}/mcp/conductor", alone.token.get_secret_value) as client:
        mounted = part(memory, ConductorClaims(client), client)
        verifier = Verifier.at(f"{conductor}/.well-known/jwks.json")
        base_url = alone.base_url or f"http://{alone.host}:{alone.port}"
        await serve_http(build_app([mounted], verifier, base_url), alone.host, alone.port)


def main() -> int:
    """Read the settings and serve; a wrong setting is said in one line and ends with 2."""
    try:
        alone = AloneSettings.load()
        logs.configure(alone.log_level)
        run(serve(alone, MemorySettings.load()))
    except RigError as error:
        logs.configure()
        logs.get(__name__).error(str(error), code=error.code())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
