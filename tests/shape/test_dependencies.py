"""Every dependency is declared, locked, explained and used."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from .conftest import Tree

OURS = ("servers", "conductor", "agents", "dashboard", "rig")
EXPLAINED = re.compile(r"^\* `([^`]+)`: (.{20,})$", re.MULTILINE)
PINNED = re.compile(
    r"^([\w.-]+)==([^\s;]+)(?: ;[^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-setup.lock")


def test_each_dependency_has_one_line_that_gives_its_reason(tree: Tree, pyproject: dict[str, Any]) -> None:
    lines = Counter(name for name, _ in EXPLAINED.findall(tree.text("docs/dependencies.md")))
    declared = {*python_names(everything(pyproject)), *node_names(tree)}
    assert lines.keys() == declared, f"Add or remove these lines: {sorted(lines.keys() ^ declared)}"
    assert lines.total() == len(lines), f"Explained twice: {[name for name, times in lines.items() if times > 1]}"


def test_each_dependency_has_a_range_with_an_upper_bound(pyproject: dict[str, Any]) -> None:
    loose = [
        text for text in everything(pyproject) if not {"<", "=="} & {s.operator for s in Requirement(text).specifier}
    ]
    assert not loose, f"Say below which version it works: {loose}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_exact_versions_with_hashes_and_no_host(tree: Tree, lock: str) -> None:
    text = tree.text(lock)
    assert "://" not in text
    assert PINNED.sub("", text).strip() == "", "Run `make lock`: a line is not a hashed pin"


def test_the_locks_hold_what_the_project_asks_for(tree: Tree, pyproject: dict[str, Any]) -> None:
    runtime, dev, setup = (pins(tree.text(lock)) for lock in LOCKS)
    missing = [
        *unmet(pyproject["project"]["dependencies"], runtime),
        *unmet(everything(pyproject), dev),
        *unmet([*pyproject["dependency-groups"]["setup"], *pyproject["build-system"]["requires"]], setup),
    ]
    assert not missing, f"Run `make lock` for {missing}"
    assert {**dev, **runtime, **setup} == dev, "Run `make lock`: the locks disagree"


def test_node_locks_name_no_host(tree: Tree) -> None:
    locks = [name for name in tree.ending("package-lock.json") if '"resolved"' in tree.text(name)]
    assert not locks, f"Run `make lock` for {locks}"


def test_no_installed_distribution_takes_one_of_our_names() -> None:
    providers = packages_distributions()
    others = {name: owners for name in OURS if (owners := set(providers.get(name, ())) - {"engineering-rig"})}
    assert not others, f"These distributions would shadow ours: {others}"


def test_what_the_source_imports_is_declared_and_what_is_declared_is_imported(
    tree: Tree, pyproject: dict[str, Any]
) -> None:
    imported = distributions(
        name for path in tree.under(*OURS) if path.endswith(".py") for name in imports(tree.text(path))
    )
    declared = python_names(pyproject["project"]["dependencies"])
    assert imported == declared, f"Declare or drop: {sorted(imported ^ declared)}"


def everything(pyproject: dict[str, Any]) -> list[str]:
    groups = pyproject["dependency-groups"].values()
    build = pyproject["build-system"]["requires"]
    return [*pyproject["project"]["dependencies"], *(text for group in groups for text in group), *build]


def python_names(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def node_names(tree: Tree) -> Iterator[str]:
    for name in tree.ending("package.json"):
        manifest = json.loads(tree.text(name))
        yield from {**manifest.get("dependencies", {}), **manifest.get("devDependencies", {})}


def pins(lock: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version, _ in PINNED.findall(lock)}


def unmet(requirements: Iterable[str], locked: dict[str, str]) -> list[str]:
    wanted = [Requirement(text) for text in requirements]
    return [str(r) for r in wanted if not r.specifier.contains(locked.get(canonicalize_name(r.name), "0"))]


def imports(source: str) -> Iterator[str]:
    """The top-level modules that a file imports, or looks up by name without importing."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Attribute(attr="find_spec"), args=[ast.Constant(value=str(module))]):
                yield module
            case _:
                pass


def distributions(modules: Iterable[str]) -> set[str]:
    """The distributions that provide these modules, apart from Python itself and our own."""
    providers = packages_distributions()
    foreign = set(modules) - set(OURS) - sys.stdlib_module_names
    return {canonicalize_name(providers[name][0]) for name in foreign if name in providers}
