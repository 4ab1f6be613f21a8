"""The script of who answers questions: a script cannot read one, and says so."""

from __future__ import annotations

import re
from typing import Final

from rig.doubles.anthropic.script import Play, say, use

QUESTION: Final = re.compile(r"^Assignment: answer$", re.MULTILINE)
ANSWER: Final = (
    "The demo's model follows a script and cannot read your question. With a real model I would look it up. "
    "`rig issues`, `rig issue show owner/repo#12` and `rig agents` show what I would look at."
)


def answer() -> Play:
    yield say("I will say what a script can say.", use("finish", answer=ANSWER))
