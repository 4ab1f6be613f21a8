"""The commands that the documents show exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Tree

BLOCK = re.compile(r"^```(?:sh|bash|shell|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"\bmake ([a-z][\w-]*)")


def test_every_make_command_in_the_documents_is_a_target(tree: Tree) -> None:
    targets = set(re.findall(r"^([a-z-]+):", tree.text("Makefile"), re.MULTILINE))
    shown = {
        (name, target)
        for name in tree.ending(".md")
        for block in BLOCK.findall(tree.text(name))
        for target in MADE.findall(block)
    }
    unknown = sorted(f"{name}: make {target}" for name, target in shown if target not in targets)
    assert not unknown, f"The Makefile has no such target: {unknown}"


def test_every_target_says_what_it_does(tree: Tree) -> None:
    silent = re.findall(r"^(?!programs)([a-z-]+):(?!.*## )(?!=).*$", tree.text("Makefile"), re.MULTILINE)
    assert not silent, f"`make help` shows nothing for {silent}"
