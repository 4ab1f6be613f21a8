"""The conductor's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from servers.kit.settings import RigSettings


class ConductorSettings(RigSettings):
    """What the conductor needs; every field also as `RIG_<FIELD>`, secrets as `RIG_<FIELD>_FILE`."""

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql://user:password@host/database")
    repositories: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Enrolled repositories, as owner/repo separated by commas"
    )
    label_apps: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Apps whose agent-ready label starts work, as logins like planner[bot]"
    )
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="Secret of GitHub's webhooks")
    webhook_secret_old: SecretStr = Field(default=SecretStr(""), description="Also accepted while secrets change")
    github_server_url: str = Field(
        default="http://127.0.0.1:7700/mcp/github", description="Where the github server answers"
    )
    signing_key: Path = Field(default=Path(".rig/signing-key.pem"), description="Ed25519 key that signs tokens")
    characters: Path = Field(default=Path("characters"), description="Folder of character files")
    lease_seconds: float = Field(default=90, gt=0, description="How long a claim holds without a heartbeat")
    first_heartbeat_seconds: float = Field(default=30, gt=0, description="A claim without any heartbeat ends then")
    lease_grace_seconds: float = Field(default=60, ge=0, description="How late an ended lease is expired")
    reconcile_seconds: float = Field(default=300, gt=0, description="How often GitHub is read again")
    token_hours: float = Field(default=24, gt=0, description="Life of a renewed token")
    pool_size: int = Field(default=10, ge=2, le=100, description="Database connections per process")

    @field_validator("repositories", "label_apps", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
