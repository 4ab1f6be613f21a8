"""Settings of the memory server: its database and what makes its vectors."""

from __future__ import annotations

from pydantic import Field, SecretStr

from servers.kit.settings import RigSettings
from servers.memory.embedders.settings import EmbedderSettings


class MemorySettings(EmbedderSettings):
    """Where memories are kept and how their meaning is found."""

    database_url: SecretStr = Field(
        description="PostgreSQL with pgvector, as postgresql://user:password@host/database"
    )
    memory_pool_size: int = Field(default=6, ge=2, le=100, description="The memory server's database connections")


class AloneSettings(RigSettings):
    """Where the server listens when it runs by itself, and how it reaches the conductor."""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=7702, ge=0, le=65535, description="Port to listen on")
    base_url: str = Field(default="", description="Where clients reach this server, if not at that address")
    conductor_url: str = Field(default="http://127.0.0.1:7700", description="The conductor's base address")
    token: SecretStr = Field(default=SecretStr(""), description="Token of the role service, for the conductor")
    log_level: str = Field(default="INFO", description="Lowest level of log lines shown")
