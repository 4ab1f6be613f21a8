"""Settings that say what makes vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from servers.kit.settings import RigSettings

Choice = Literal["auto", "minilm", "wordllama", "http", "none"]


class EmbedderSettings(RigSettings):
    """Which embedder makes the memories' vectors."""

    memory_embedder: Choice = Field(
        default="auto",
        description="What makes vectors: `minilm`, `wordllama`, `http` or `none`; `auto` takes an endpoint if one is "
        "set, else the first of them that is installed",
    )
    memory_models: Path | None = Field(
        default=None, description="Folder of the converted embedding model; by default in the environment itself"
    )
    memory_embedder_url: str = Field(
        default="", description="Endpoint of an embedder that speaks like OpenAI or Voyage (`…/v1/embeddings`)"
    )
    memory_embedder_key: SecretStr = Field(default=SecretStr(""), description="The endpoint's key")
    memory_embedder_model: str = Field(default="", description="Name of the endpoint's model")
    memory_embedder_dimension: int = Field(
        default=0, ge=0, le=4000, description="How many numbers the endpoint's vectors have"
    )

    @model_validator(mode="after")
    def _endpoint_is_whole(self) -> Self:
        given = self.memory_embedder_url and self.memory_embedder_model and self.memory_embedder_dimension
        if not given and (self.memory_embedder == "http" or self.memory_embedder_url):
            raise ValueError(
                "an embedding endpoint needs memory_embedder_url, memory_embedder_model and memory_embedder_dimension"
            )
        return self
