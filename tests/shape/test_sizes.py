"""A function fits on a screen and a file in a head."""

from __future__ import annotations

import ast
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Tree

FUNCTION = 70
FILE = 350
TYPICAL_FUNCTION = 12

# Longer ones, each with its reason. This list only shrinks.
EXCEPTIONS: dict[str, str] = {"conductor/events.py": "the vocabulary of the log is one list"}


def test_no_function_and_no_file_is_longer_than_allowed(tree: Tree) -> None:
    long = {name: lines for name, lines in lengths(tree).items() if lines > allowed(name)}
    assert long.keys() <= EXCEPTIONS.keys(), f"Split these: {without(long, EXCEPTIONS)}"
    assert EXCEPTIONS.keys() <= long.keys(), f"No longer exceptions: {without(EXCEPTIONS, long)}"


def test_a_typical_function_is_about_ten_lines(tree: Tree) -> None:
    found = [lines for name, lines in lengths(tree).items() if "::" in name]
    assert median(found) <= TYPICAL_FUNCTION


def lengths(tree: Tree) -> dict[str, int]:
    """Lines of each file, and of each function as `file::function`."""
    found: dict[str, int] = {}
    for name in tree.ending(".py"):
        source = tree.text(name)
        found[name] = source.count("\n")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{name}::{node.name}"] = (node.end_lineno or node.lineno) - node.lineno + 1
    return found


def allowed(name: str) -> int:
    return FUNCTION if "::" in name else FILE


def without(these: dict[str, int] | dict[str, str], those: dict[str, int] | dict[str, str]) -> list[str]:
    return sorted(f"{name} ({these[name]})" for name in these.keys() - those.keys())
