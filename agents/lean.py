"""Loads the libraries that an agent runs on without what they use only where it happens to be installed.

Of what an idle agent holds in memory, a tenth would be programs for coloured tracebacks, serving, and green threads.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

OPTIONAL = ("greenlet", "rich", "uvicorn")
HEAVY = ("structlog", "mcp")


def load() -> None:
    """Import them; call this first in a process that is an agent and nothing else."""
    with _absent(OPTIONAL):
        for name in HEAVY:
            importlib.import_module(name)


def trim() -> None:
    """Give memory back to the system that a run no longer needs; where its C library cannot, nothing happens."""
    gc.collect()
    if give_back := getattr(ctypes.CDLL(None), "malloc_trim", None):
        give_back(0)


@contextmanager
def _absent(names: tuple[str, ...]) -> Generator[None]:
    """Let `names` seem not to be installed; what is imported already stays."""
    modules = cast(dict[str, Any], sys.modules)
    hidden = [name for name in names if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
