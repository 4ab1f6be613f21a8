"""Under which name the rules know a program."""

from __future__ import annotations

import re

VERSIONED = re.compile(r"(python|pypy|node|ruby|perl|php|lua|pip)[\d.]+$")


def versionless(name: str) -> str:
    """`python3.12` is `python`."""
    return VERSIONED.sub(r"\1", name)
