"""Serves the GitHub server alone: over HTTP, or with `--stdio` to whoever started it."""

from __future__ import annotations

import sys

from servers.github.server import part
from servers.github.settings import AloneSettings, GitHubSettings, require_credential
from servers.kit import logs
from servers.kit.alone import conductor_of, serve_alone
from servers.kit.claims import ConductorClaims
from servers.kit.serve import ended, run, serve_stdio
from servers.kit.settings import adopt_familiar_names


def serve(*, stdio: bool) -> None:
    """Read the settings and serve."""
    alone = AloneSettings.load()
    logs.configure("WARNING" if stdio else alone.log_level)
    adopt_familiar_names()
    github = GitHubSettings.load()
    require_credential(github)
    run(_over_stdio(alone, github) if stdio else serve_alone(alone, lambda c: part(github, ConductorClaims(c))))


async def _over_stdio(alone: AloneSettings, github: GitHubSettings) -> None:
    async with conductor_of(alone) as conductor:
        await serve_stdio(part(github, ConductorClaims(conductor)))


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    stdio = "--stdio" in (sys.argv[1:] if arguments is None else arguments)
    return ended(lambda: serve(stdio=stdio))


if __name__ == "__main__":
    sys.exit(main())
