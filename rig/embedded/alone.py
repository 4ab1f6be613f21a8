"""The conductor as a process of its own: with its pages as in a cluster, or with `--stdio` for one person."""

from __future__ import annotations

from pydantic import Field

from conductor import app as conductor
from conductor.settings import ConductorSettings
from dashboard.access import Access
from dashboard.app import Dashboard
from rig.embedded.compose import ServiceToken
from rig.embedded.settings import LOOPBACK
from servers.kit.alone import configure_logs, wants_stdio
from servers.kit.auth import SigningKey, Verifier, jwks_route
from servers.kit.serve import build_app, run, serve_http, serve_stdio
from servers.kit.settings import RigSettings


class AloneSettings(RigSettings):
    """Where the conductor listens when it is served alone."""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=7700, ge=1, le=65535, description="Port to listen on")
    public_url: str = Field(default="", description="Where others reach it; also the host that requests may name")
    log_level: str = Field(default="INFO", description="Lowest level of log lines shown")


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    stdio = wants_stdio(arguments)
    settings, conductor_settings = AloneSettings.load(), ConductorSettings.load()
    configure_logs(settings.log_level, stdio=stdio)
    run(serve(settings, conductor_settings, stdio=stdio))
    return 0


async def serve(settings: AloneSettings, conductor_settings: ConductorSettings, *, stdio: bool = False) -> None:
    """Serve the conductor, its pages and the keys that tokens are checked with; over stdio its tools alone."""
    key = SigningKey.load_or_create(conductor_settings.signing_key)
    part = conductor.part(conductor_settings, ServiceToken(key, "conductor"))
    if stdio:
        await serve_stdio(part)
        return
    verifier = Verifier.of(key)
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    app = build_app([part], verifier, base)
    dashboard = Dashboard(Access(verifier, settings.host in LOOPBACK and not settings.public_url))
    app.router.routes.extend([*dashboard.routes(), jwks_route(key)])
    await serve_http(app, settings.host, settings.port)
