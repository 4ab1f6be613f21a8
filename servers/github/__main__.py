"""Serves the GitHub server alone: over HTTP, or with `--stdio` to whoever started it."""

from __future__ import annotations

import sys

from servers.github.server import part
from servers.github.settings import AloneSettings, GitHubSettings, require_credential
from servers.kit.alone import configure_logs, serve_alone, wants_stdio
from servers.kit.claims import ConductorClaims
from servers.kit.serve import ended, run
from servers.kit.settings import adopt_familiar_names


def serve(*, stdio: bool) -> None:
    """Read the settings and serve."""
    alone = AloneSettings.load()
    configure_logs(alone.log_level, stdio=stdio)
    adopt_familiar_names()
    github = GitHubSettings.load()
    require_credential(github)
    run(serve_alone(alone, lambda conductor: part(github, ConductorClaims(conductor)), stdio=stdio))


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    return ended(lambda: serve(stdio=wants_stdio(arguments)))


if __name__ == "__main__":
    sys.exit(main())
