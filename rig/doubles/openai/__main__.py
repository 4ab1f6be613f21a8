"""`python -m rig.doubles.openai --port 0 [--script module:function]`."""

from __future__ import annotations

from rig.doubles.anthropic.serve import run
from rig.doubles.openai.app import create_app

run("rig.doubles.openai", __doc__, create_app)
