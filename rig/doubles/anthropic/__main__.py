"""`python -m rig.doubles.anthropic --port 0 [--script module:function]`."""

from __future__ import annotations

import argparse

from rig.doubles.anthropic.serve import DEMO, serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m rig.doubles.anthropic", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--script", default=DEMO, help="module:function that gives the next turn")
    parser.add_argument("--leave-with-parent", action="store_true", help="stop when standard input closes")
    options = parser.parse_args()
    serve(options.script, options.port, options.leave_with_parent)


main()
