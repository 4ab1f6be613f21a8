"""Embedders that run in this process: MiniLM on onnxruntime, and the static vectors of wordllama."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from servers.kit.errors import Unavailable
from servers.memory.chunks import size
from servers.memory.embedders.port import Vector

if TYPE_CHECKING:
    import numpy.typing as npt

WINDOW = 256
SHORT = 30  # so many of a model's tokens take it about 2 ms
MINILM, WORDLLAMA = "all-MiniLM-L6-v2/int8", "wordllama-l2-supercat-256"


class Model(Protocol):
    """A loaded model, which several threads may use at once."""

    def vectors(self, texts: Sequence[str]) -> list[Vector]: ...


class LocalEmbedder:
    """Loads its model with the first text, and computes in one thread of its own, so that the loop does not wait.

    A short question is read at once: to hand it over and back takes half as long again, and on a busy machine longer.
    """

    def __init__(self, model: str, dimension: int, load: Callable[[], Model]) -> None:
        self.model = model
        self.dimension = dimension
        self._load = load
        self._loaded: Model | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, in their order.

        Raises:
            Unavailable: The model cannot be loaded, or fails.
        """
        if not texts:
            return []
        if self._loaded and len(texts) == 1 and size(texts[0]) <= SHORT:
            return self._vectors(list(texts))
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._vectors, list(texts))

    def _vectors(self, texts: list[str]) -> list[Vector]:
        try:
            self._loaded = self._loaded or self._load()
            return self._loaded.vectors([_encodable(text) for text in texts])
        except Exception as error:  # what the libraries raise over a damaged file has no class in common
            what = "fails" if self._loaded else "cannot be loaded"
            self._loaded = None
            raise Unavailable(f"The embedding model {self.model} {what} ({error}).") from error


class MiniLM:
    """all-MiniLM-L6-v2 in int8, one text after the other, on one core."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        runtime: Any = onnxruntime
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session: Any = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(WINDOW)
        self._tokenizer.no_padding()

    def vectors(self, texts: Sequence[str]) -> list[Vector]:
        return [self._vector(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def _vector(self, ids: list[int]) -> Vector:
        import numpy as np

        [found] = self._session.run(None, {"ids": np.array([ids], dtype=np.int64)})
        return cast(Vector, found[0].tolist())


class WordLlama:
    """The mean of static vectors, one for each piece of a word."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open
        from tokenizers import Tokenizer

        weights: Any = safe_open(folder / "weights" / "l2_supercat_256.safetensors", "numpy")
        self._table: npt.NDArray[Any] = weights.get_tensor("embedding.weight")
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
        self._tokenizer.enable_truncation(2 * WINDOW)
        self._tokenizer.no_padding()

    def vectors(self, texts: Sequence[str]) -> list[Vector]:
        return [
            self._vector(encoding.ids)
            for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ]

    def _vector(self, ids: list[int]) -> Vector:
        import numpy as np

        if not ids:
            return [0.0] * self._table.shape[1]
        mean = self._table[ids].astype(np.float32).mean(axis=0)
        return cast(Vector, (mean / max(float(np.linalg.norm(mean)), 1e-12)).tolist())


def _encodable(text: str) -> str:
    """As far as a window can reach; half of a surrogate pair has no UTF-8, which the tokenizers speak."""
    return text[: 16 * WINDOW].encode("utf-8", "replace").decode("utf-8")
