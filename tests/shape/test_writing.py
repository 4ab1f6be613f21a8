"""What must not be written anywhere in the tree, and what every module says first."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Tree

THIS = "tests/shape/test_writing.py"
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
REGISTRIES = re.compile(r"\b(pypi\.org|pythonhosted\.org|npmjs\.(org|com)|deb(ian)?\.debian\.org)\b")
PERSONAL = re.compile(r"/(Users|home)/\w+/(src|code|projects|repos|git)/|/root/\.(pyenv|nvm|cache)/")
ONE_SENTENCE = re.compile(r"[^.]([^.]|\.(?!\s))*[.?]")
SLEEPS = {"time.sleep", "asyncio.sleep", "anyio.sleep"}
LOOPS = (ast.For, ast.AsyncFor, ast.While)
PATCHES = {"mock.patch", "monkeypatch.setattr", "mocker.patch", "patch.object", "mock.patch.object"}


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (UNFINISHED, "Finish it or leave it out"),
        (REGISTRIES, "Name packages, not the hosts they come from"),
        (PERSONAL, "Take paths from settings or from the file's own place"),
        (re.compile(r"noqa:.*S608"), "Put the query into a .sql file"),
    ],
    ids=["unfinished work", "registry hosts", "a person's paths", "SQL built from strings"],
)
def test_no_file_holds(tree: Tree, pattern: re.Pattern[str], instead: str) -> None:
    found = [f"{name}: {hit[0]}" for name, text in tree.texts() if name != THIS for hit in pattern.finditer(text)]
    assert not found, f"{instead}: {found}"


def test_no_file_names_the_folder_it_was_written_in(tree: Tree) -> None:
    here = f"{tree.root}/"
    if len(tree.root.parts) <= 2:
        pytest.skip("this folder's name is too common to look for")
    found = [name for name, text in tree.texts() if here in text]
    assert not found, f"Take paths from settings or from the file's own place: {found}"


def test_every_module_opens_with_one_sentence(tree: Tree) -> None:
    """The names of tests say what a test module is about, so it may go without."""
    modules = [name for name in tree.ending(".py") if "/test_" not in name or ast.get_docstring(parsed(tree, name))]
    wrong = [name for name in modules if not opens_with_one_sentence(parsed(tree, name))]
    assert not wrong, f"The docstring's first paragraph is one sentence: {wrong}"


def test_tests_wait_for_something_instead_of_sleeping(tree: Tree) -> None:
    """`sleep(0)` yields, and a loop may sleep between two looks at what it waits for."""
    found: list[str] = []
    for name, module in modules(tree, "tests"):
        looking = {call for loop in ast.walk(module) if isinstance(loop, LOOPS) for call in calls(loop, SLEEPS)}
        found += [
            f"{name}:{call.lineno}" for call in calls(module, SLEEPS) if call not in looking and not is_zero(call)
        ]
    assert not found, f"Wait for the condition, with a bound: {found}"


def test_tests_replace_nothing_inside_our_code(tree: Tree) -> None:
    found = [f"{name}:{call.lineno}" for name, module in modules(tree, "tests") for call in calls(module, PATCHES)]
    assert not found, f"Hand the replacement in, or use the doubles: {found}"


def opens_with_one_sentence(module: ast.Module) -> bool:
    said = ast.get_docstring(module) or ""
    return bool(ONE_SENTENCE.fullmatch(" ".join(said.split("\n\n")[0].split())))


def parsed(tree: Tree, name: str) -> ast.Module:
    return ast.parse(tree.text(name))


def modules(tree: Tree, folder: str) -> Iterator[tuple[str, ast.Module]]:
    yield from ((name, parsed(tree, name)) for name in tree.under(folder) if name.endswith(".py"))


def calls(within: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(within):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node


def is_zero(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
