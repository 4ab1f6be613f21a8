"""Serves the GitHub server alone: over HTTP, or with `--stdio` to whoever started it."""

from __future__ import annotations

import sys

from servers.github.server import part
from servers.github.settings import AloneSettings, GitHubSettings, require_credential
from servers.kit import logs
from servers.kit.auth import Verifier
from servers.kit.claims import ConductorClaims
from servers.kit.client import tool_client
from servers.kit.errors import RigError
from servers.kit.serve import build_app, run, serve_http, serve_stdio
from servers.kit.settings import adopt_familiar_names


async def serve(alone: AloneSettings, github: GitHubSettings, *, stdio: bool) -> None:
    """Serve until told to stop."""
    conductor = alone.conductor_url.rstrip("/")
    async with tool_client(f"{conductor}/mcp/conductor", alone.token.get_secret_value) as client:
        mounted = part(github, ConductorClaims(client))
        if stdio:
            await serve_stdio(mounted)
            return
        verifier = Verifier.at(f"{conductor}/.well-known/jwks.json")
        base_url = alone.base_url or f"http://{alone.host}:{alone.port}"
        await serve_http(build_app([mounted], verifier, base_url), alone.host, alone.port)


def main(arguments: list[str] | None = None) -> int:
    """Read the settings and serve; a wrong setting is said in one line and ends with 2."""
    stdio = "--stdio" in (sys.argv[1:] if arguments is None else arguments)
    try:
        alone = AloneSettings.load()
        logs.configure("WARNING" if stdio else alone.log_level)
        adopt_familiar_names()
        github = GitHubSettings.load()
        require_credential(github)
        run(serve(alone, github, stdio=stdio))
    except RigError as error:
        logs.configure()
        logs.get(__name__).error(str(error), code=error.code())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
