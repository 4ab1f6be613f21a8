"""`python -m rig`."""

from __future__ import annotations

from rig.cli import main

if __name__ == "__main__":
    main()
