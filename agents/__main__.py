"""Runs the agent that a character file describes: `python -m agents characters/dev-e-python.yaml`."""

from __future__ import annotations

import sys
from pathlib import Path

from agents import lean
from servers.kit.garbage import look_seldom

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m agents CHARACTER.yaml")
    look_seldom()
    lean.load()
    from agents.run import main

    sys.exit(main(Path(sys.argv[1])))
