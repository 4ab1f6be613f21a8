"""`python -m rig.doubles.anthropic --port 0 [--script module:function]`."""

from __future__ import annotations

from rig.doubles.anthropic.serve import run

run("rig.doubles.anthropic", __doc__)
