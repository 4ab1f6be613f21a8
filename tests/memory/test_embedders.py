from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import get_ident
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt
import pytest
from pydantic import SecretStr
from safetensors import safe_open
from tokenizers import Tokenizer

from servers.kit.errors import InvalidInput, RateLimited, RigError, Unavailable
from servers.memory.embedders import weights
from servers.memory.embedders.choice import choose, minilm, wordllama
from servers.memory.embedders.http import BATCH, HttpEmbedder
from servers.memory.embedders.local import LocalEmbedder
from servers.memory.embedders.port import Embedder, Vector
from servers.memory.embedders.settings import EmbedderSettings

TEXTS = [
    "The nightly reconciliation reported differences because the clocks went back.",
    "def retry(times): return serializable(times)",
    "error[E0502]: cannot borrow `self.segments` as mutable",
    "数据库连接失败，请检查证书是否过期。",
    "Wie runden wir die Mehrwertsteuer? " * 4,
]
ERF: Any = np.frompyfunc(math.erf, 1, 1)
Answer = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture(params=[minilm, wordllama], ids=["minilm", "wordllama"])
def local(request: pytest.FixtureRequest) -> LocalEmbedder:
    make: Any = request.param
    found = make(EmbedderSettings()) if make is minilm else make()
    assert found is not None, "`make setup-test` installs both"
    return found


async def test_a_local_embedder_keeps_what_the_port_promises(local: LocalEmbedder) -> None:
    vectors = await local.embed(TEXTS)
    assert [len(vector) for vector in vectors] == [local.dimension] * len(TEXTS)
    assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-3) for vector in vectors)
    assert await local.embed(TEXTS[1:2]) == vectors[1:2]
    assert await local.embed([]) == []


async def test_a_text_is_near_what_means_the_same(local: LocalEmbedder) -> None:
    asked, near, far = await local.embed(
        ["the database connection failed", "cannot connect to the database", "the cat sleeps on a warm sofa"]
    )
    assert dot(asked, near) > dot(asked, far) + 0.2


@pytest.mark.parametrize("text", ["", "\ud800 half \udfff", "\x00", "x" * 200_000, "word " * 20_000, "😀" * 500])
async def test_no_text_breaks_a_local_embedder(local: LocalEmbedder, text: str) -> None:
    [vector] = await local.embed([text])
    assert all(math.isfinite(number) for number in vector)


async def test_the_loop_goes_on_while_vectors_are_made(local: LocalEmbedder) -> None:
    await local.embed(TEXTS)
    working = asyncio.create_task(local.embed(TEXTS * 3))
    turns = 0
    while not working.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10


async def test_only_a_short_question_is_read_at_once() -> None:
    class Where:
        def vectors(self, texts: Sequence[str]) -> list[Vector]:
            return [[float(get_ident())] for _ in texts]

    embedder, here = LocalEmbedder("where", 1, Where), [[float(get_ident())]]
    assert await embedder.embed(["Who loads the model?"]) != here
    assert await embedder.embed(["Who writes the lock?"]) == here
    for long in ("Who writes the lock? " * 9, "数" * 60):
        assert await embedder.embed([long]) != here
    assert await embedder.embed(["Who?", "When?"]) != here * 2


async def test_minilm_equals_its_reference() -> None:
    embedder, package = minilm(EmbedderSettings()), weights.package_folder(find_spec(weights.PACKAGE))
    assert embedder
    assert package
    reference = Reference(package / "model")
    cosines = [
        dot(vector, reference.vector(text)) for vector, text in zip(await embedder.embed(TEXTS), TEXTS, strict=True)
    ]
    assert min(cosines) >= 0.995


async def test_a_model_that_cannot_be_loaded_is_unavailable_and_tried_again() -> None:
    tried: list[float] = []

    def load() -> Any:
        tried.append(time.monotonic())
        raise OSError("no such file")

    embedder = LocalEmbedder("broken", 4, load)
    for _ in range(2):
        with pytest.raises(Unavailable, match="broken cannot be loaded"):
            await embedder.embed(["x"])
    assert len(tried) == 2


@pytest.mark.parametrize("damaged", [weights.CONVERTED, weights.TOKENIZER])
async def test_a_damaged_model_is_unavailable(tmp_path: Path, damaged: str) -> None:
    for file in weights.files(weights.default_folder()):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / damaged).unlink()
    (tmp_path / damaged).write_bytes(b"{}" * 100)
    embedder = minilm(EmbedderSettings(memory_models=tmp_path))
    assert embedder
    with pytest.raises(Unavailable, match="cannot be loaded"):
        await embedder.embed(["x"])


async def test_a_model_that_fails_is_unavailable_and_loaded_anew() -> None:
    class Model:
        failing = True

        def vectors(self, texts: Sequence[str]) -> list[Vector]:
            if Model.failing:
                raise KeyError("no such input")
            return [[1.0] for _ in texts]

    embedder = LocalEmbedder("sick", 1, Model)
    with pytest.raises(Unavailable, match="sick fails"):
        await embedder.embed(["x"])
    Model.failing = False
    assert await embedder.embed(["x"]) == [[1.0]]


def test_what_cannot_be_converted_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="MiniLM cannot be converted"):
        weights.files(tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        ({}, "all-MiniLM-L6-v2/int8"),
        ({"memory_embedder": "minilm"}, "all-MiniLM-L6-v2/int8"),
        ({"memory_embedder": "wordllama"}, "wordllama-l2-supercat-256"),
        ({"memory_embedder": "none"}, None),
    ],
)
async def test_the_settings_choose(settings: dict[str, Any], model: str | None) -> None:
    async with choose(EmbedderSettings(**settings)) as embedder:
        assert (embedder.model if embedder else None) == model


async def test_an_endpoint_that_is_set_is_chosen() -> None:
    endpoint: dict[str, Any] = {
        "memory_embedder_url": "http://127.0.0.1:9/v1/embeddings",
        "memory_embedder_model": "voyage-code",
        "memory_embedder_dimension": 3,
        "memory_embedder_key": SecretStr("key"),
    }
    async with choose(EmbedderSettings(**endpoint)) as embedder:
        assert embedder
        assert (embedder.model, embedder.dimension) == ("voyage-code", 3)
        with pytest.raises(Unavailable, match="does not answer"):
            await embedder.embed(["x"])


@pytest.mark.parametrize("given", [{"memory_embedder": "http"}, {"memory_embedder_url": "http://x/v1/embeddings"}])
def test_half_an_endpoint_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="memory_embedder_model"):
        EmbedderSettings.load(**given)


class Endpoint:
    """Answers as OpenAI and Voyage do, in another order than asked."""

    def __init__(self) -> None:
        self.asked: list[httpx2.Request] = []
        self.answer: Answer = self.vectors

    def vectors(self, request: httpx2.Request) -> httpx2.Response:
        texts = httpx2.Response(200, content=request.content).json()["input"]
        rows = [{"index": n, "embedding": [float(len(text)), 0.0, 1.0]} for n, text in enumerate(texts)]
        return httpx2.Response(200, json={"data": rows[::-1]})

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self.answer(request)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
async def remote(endpoint: Endpoint) -> AsyncGenerator[Embedder]:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(endpoint)) as client:
        yield HttpEmbedder(client, "http://vectors.example/v1/embeddings", "m", 3, "secret")


async def test_an_endpoint_is_asked_in_batches_and_its_vectors_put_in_order(
    remote: Embedder, endpoint: Endpoint
) -> None:
    texts = ["a" * (n + 1) for n in range(BATCH + 3)]
    found = await remote.embed(texts)
    assert [round(vector[0] / vector[2]) for vector in found] == list(range(1, BATCH + 4))
    assert all(math.isclose(math.hypot(*vector), 1) for vector in found)
    assert [request.headers["authorization"] for request in endpoint.asked] == ["Bearer secret"] * 2


async def test_vectors_of_another_length_say_which_setting_is_wrong(remote: Embedder, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: httpx2.Response(200, json={"data": [{"index": 0, "embedding": [1.0, 2.0]}]})
    with pytest.raises(Unavailable, match="set memory_embedder_dimension") as caught:
        await remote.embed(["x"])
    assert set(re.findall(r"memory_\w+", str(caught.value))) <= set(EmbedderSettings.model_fields)


async def test_an_endpoint_never_gets_an_empty_text_or_half_a_character(remote: Embedder) -> None:
    assert len(await remote.embed(["", "  ", "\ud800"])) == 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx2.Response(429), RateLimited),
        (httpx2.Response(500, text="broken"), Unavailable),
        (httpx2.Response(401), Unavailable),
        (httpx2.Response(400, text="too many tokens"), InvalidInput),
        (httpx2.Response(413), InvalidInput),
        (httpx2.Response(422), InvalidInput),
        (httpx2.Response(200, text="<html>"), Unavailable),
        (httpx2.Response(200, json={"data": [{"index": 0}]}), Unavailable),
        (httpx2.Response(200, json={"data": []}), Unavailable),
        (httpx2.Response(200, json={"data": [{"index": 0, "embedding": [1.0, 2.0]}]}), Unavailable),
        (httpx2.Response(200, json={"data": [{"index": 0, "embedding": ["NaN", 1.0, 2.0]}]}), Unavailable),
    ],
)
async def test_an_endpoint_that_fails_is_unavailable_and_one_that_refuses_a_text_is_not(
    remote: Embedder, endpoint: Endpoint, answer: httpx2.Response, error: type[RigError]
) -> None:
    endpoint.answer = lambda _: answer
    with pytest.raises(error):
        await remote.embed(["x"])


def dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


class Reference:
    """all-MiniLM-L6-v2 in 32 bits, as its paper has it."""

    def __init__(self, folder: Path) -> None:
        self._weights: Any = safe_open(folder / "model.safetensors", "numpy")
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(256)
        self._tokenizer.no_padding()

    def vector(self, text: str) -> Vector:
        ids = self._tokenizer.encode(text).ids
        words, places, segments = (
            self._of(f"embeddings.{name}_embeddings.weight") for name in ("word", "position", "token_type")
        )
        state = self._norm(words[ids] + places[: len(ids)] + segments[0], "embeddings.LayerNorm")
        for layer in range(6):
            state = self._layer(state, f"encoder.layer.{layer}")
        mean = state.mean(axis=0)
        return [float(number) for number in mean / np.linalg.norm(mean)]

    def _layer(self, state: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        query, key, value = (
            self._dense(state, f"{name}.attention.self.{part}").reshape(len(state), 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        heat = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(32))
        mixed = (heat / heat.sum(axis=-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(state), 384)
        state = self._norm(
            state + self._dense(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        wide = self._dense(state, f"{name}.intermediate.dense")
        wide = wide * 0.5 * (1 + ERF(wide / math.sqrt(2)).astype(np.float32))
        return self._norm(state + self._dense(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _of(self, name: str) -> npt.NDArray[Any]:
        return self._weights.get_tensor(name)

    def _dense(self, state: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        return state @ self._of(f"{name}.weight").T + self._of(f"{name}.bias")

    def _norm(self, state: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        centred = state - state.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return centred / deviation * self._of(f"{name}.weight") + self._of(f"{name}.bias")
