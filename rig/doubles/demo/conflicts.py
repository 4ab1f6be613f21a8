"""Resolves merge conflicts by keeping both sides, which is right wherever both only add lines."""

from __future__ import annotations

import re
from typing import Final

START: Final = "<<<<<<<"
CONFLICT: Final = re.compile(
    r"^<{7}[^\n]*\n(?P<ours>.*?)(?:^\|{7}[^\n]*\n.*?)?^={7}\n(?P<theirs>.*?)^>{7}[^\n]*\n",
    re.MULTILINE | re.DOTALL,
)


def conflicted(content: str) -> bool:
    return any(line.startswith(START) for line in content.splitlines())


def keep_both(content: str) -> str:
    """What is on the base first, then ours; a line that both added once; imports in their order."""

    def both(found: re.Match[str]) -> str:
        theirs = found["theirs"].splitlines(keepends=True)
        ours = [line for line in found["ours"].splitlines(keepends=True) if line not in theirs]
        lines = theirs + ours
        if all(line.startswith(("import ", "from ")) for line in lines):
            lines.sort()
        return "".join(lines)

    return CONFLICT.sub(both, content)
