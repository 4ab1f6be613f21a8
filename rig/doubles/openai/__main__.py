"""`python -m rig.doubles.openai --port 0 [--script module:function]`."""

from __future__ import annotations

import argparse
import asyncio

from rig.doubles.anthropic.serve import DEMO, serve
from rig.doubles.openai.app import create_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m rig.doubles.openai", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--script", default=DEMO, help="module:function that gives the next turn")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    asyncio.run(serve(options.script, options.port, with_parent=options.with_parent, create=create_app))


main()
