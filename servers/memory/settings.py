"""Settings of the memory server: its database and what makes its vectors."""

from __future__ import annotations

from pydantic import Field, SecretStr

from servers.kit import alone
from servers.memory.embedders.settings import EmbedderSettings


class MemorySettings(EmbedderSettings):
    """Where memories are kept and how their meaning is found."""

    database_url: SecretStr = Field(
        description="PostgreSQL with pgvector, as postgresql://user:password@host/database"
    )
    memory_pool_size: int = Field(default=6, ge=2, le=100, description="The memory server's database connections")


class AloneSettings(alone.AloneSettings):
    """Where the server listens when it runs by itself, and how it reaches the conductor."""

    port: int = Field(default=7702, ge=0, le=65535, description="Port to listen on")
