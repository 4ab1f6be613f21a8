"""The composition root: every server and page in one app, calling each other over loopback as everybody does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr
from starlette.applications import Starlette

from conductor import app as conductor
from conductor.settings import ConductorSettings
from dashboard.access import Access
from dashboard.app import Dashboard
from rig.embedded.crew import Crew
from rig.embedded.settings import UpSettings
from servers.github import server as github
from servers.github.settings import GitHubSettings
from servers.kit.auth import SigningKey, Verifier, jwks_route
from servers.kit.claims import ConductorClaims
from servers.kit.client import tool_client
from servers.kit.clock import Clock, SystemClock
from servers.kit.serve import build_app
from servers.memory import server as memory
from servers.memory.settings import MemorySettings

SERVICE_TOKEN_LIFE = timedelta(hours=1)
POLL_SECONDS, BESIDE_WEBHOOKS_SECONDS = 30, 300


class ServiceToken:
    """The token of one of our own servers, issued anew when half of its life is over."""

    def __init__(self, key: SigningKey, subject: str, clock: Clock | None = None) -> None:
        self._key = key
        self._subject = subject
        self._clock = clock or SystemClock()
        self._token = ""
        self._renew_at: datetime | None = None

    def __call__(self) -> str:
        now = self._clock.now()
        if self._renew_at is None or now >= self._renew_at:
            self._token = self._key.issue(self._subject, "service", SERVICE_TOKEN_LIFE, self._clock)
            self._renew_at = now + SERVICE_TOKEN_LIFE / 2
        return self._token


@dataclass(frozen=True)
class Composed:
    """The app, and the pages whose streams have to end before it can."""

    app: Starlette
    dashboard: Dashboard


@asynccontextmanager
async def composed(
    settings: UpSettings, hub: GitHubSettings, crew: Crew, key: SigningKey, database_url: str, base: str
) -> AsyncGenerator[Composed]:
    """Put the rig together; `base` is where it reaches itself."""
    verifier = Verifier.of(key)
    own = conductor_settings(settings, hub, crew, database_url, base)
    remembering = MemorySettings.load(database_url=SecretStr(database_url))
    conductor_at = f"{base}/mcp/conductor"
    async with (
        tool_client(conductor_at, ServiceToken(key, "github")) as to_conductor,
        tool_client(conductor_at, ServiceToken(key, "memory")) as from_memory,
    ):
        parts = [
            conductor.part(own, ServiceToken(key, "conductor"), alone=not settings.database_url.get_secret_value()),
            github.part(hub, ConductorClaims(to_conductor)),
            memory.part(remembering, ConductorClaims(from_memory), from_memory),
        ]
        app = build_app(parts, verifier, settings.public_url or base)
        dashboard = Dashboard(Access(verifier, settings.open_to_this_machine_only))
        app.router.routes.extend([*dashboard.routes(), jwks_route(key)])
        yield Composed(app, dashboard)


def conductor_settings(
    settings: UpSettings, hub: GitHubSettings, crew: Crew, database_url: str, base: str
) -> ConductorSettings:
    """The conductor's own settings, with what only this process knows."""
    given: dict[str, object] = {
        "database_url": SecretStr(database_url),
        "repositories": hub.repositories,
        "github_server_url": f"{base}/mcp/github",
        "memory_server_url": f"{base}/mcp/memory",
        "signing_key": settings.data_dir / "signing-key.pem",
        "characters": crew.folder,
    }
    if "reconcile_seconds" not in ConductorSettings.load(**given).model_fields_set:
        given["reconcile_seconds"] = BESIDE_WEBHOOKS_SECONDS if settings.public_url else POLL_SECONDS
    return ConductorSettings.load(**given)
