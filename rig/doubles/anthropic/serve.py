"""Serves the double on loopback, in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
from collections.abc import Callable
from typing import Final, cast

from starlette.types import ASGIApp

from rig.doubles.anthropic.app import create_app
from rig.doubles.anthropic.script import Script
from rig.doubles.listening import address, bind, serving
from rig.doubles.process import announced

DEMO: Final = "rig.doubles.demo.script:play"


def load(named: str) -> Script:
    """`package.module:function`."""
    module, _, function = named.partition(":")
    return cast("Script", getattr(importlib.import_module(module), function))


async def serve(
    script: str, port: int, *, with_parent: bool, create: Callable[[Script], ASGIApp] = create_app
) -> None:
    """Serve the API that `create` makes of the script, until told to end."""
    # Answers that a fault tears down are no news to whoever started us.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    with bind(port) as listener:
        async with serving(create(load(script)), listener):
            await announced(address(listener), with_parent=with_parent)


def run(name: str, about: str | None, create: Callable[[Script], ASGIApp] = create_app) -> None:
    """The command `python -m NAME --port 0 [--script module:function]`."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=about)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--script", default=DEMO, help="module:function that gives the next turn")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    asyncio.run(serve(options.script, options.port, with_parent=options.with_parent, create=create))
