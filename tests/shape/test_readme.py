"""The commands that the documents show exist."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Tree

BLOCK = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"^(?:\$ )?make ([a-z][\w-]*)", re.MULTILINE)
RIGGED = re.compile(r"^(?:\$ )?rig ([a-z][\w-]*)", re.MULTILINE)


def test_every_make_command_in_the_documents_is_a_target(tree: Tree) -> None:
    targets = set(re.findall(r"^([a-z-]+):", tree.text("Makefile"), re.MULTILINE))
    unknown = shown(tree, MADE) - targets
    assert not unknown, f"The Makefile has no such target: {unknown}"


def test_every_rig_command_in_the_documents_is_one(tree: Tree) -> None:
    unknown = [command for command in shown(tree, RIGGED) if not is_command(command)]
    assert not unknown, f"`rig --help` has no such command: {unknown}"


def test_every_target_says_what_it_does(tree: Tree) -> None:
    silent = re.findall(r"^(?!programs)([a-z-]+):(?!.*## )(?!=).*$", tree.text("Makefile"), re.MULTILINE)
    assert not silent, f"`make help` shows nothing for {silent}"


def shown(tree: Tree, command: re.Pattern[str]) -> set[str]:
    blocks = (block for name in tree.ending(".md") for block in BLOCK.findall(tree.text(name)))
    return {word for block in blocks for word in command.findall(block)}


def is_command(name: str) -> bool:
    return not subprocess.run([sys.executable, "-m", "rig", name, "--help"], capture_output=True).returncode
