"""The search finds the same lines with ripgrep and without it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from servers.kit.errors import Forbidden, InvalidInput, NotFound, TimedOut
from servers.workspace.commands import environment
from servers.workspace.sandbox import Private
from servers.workspace.search import Search
from tests.workspace.conftest import available

ENGINES = ["python", "ripgrep"]


@pytest.fixture(params=ENGINES)
def search(request: pytest.FixtureRequest, root: Path, private: Private) -> Search:
    ripgrep = shutil.which("rg") if request.param == "ripgrep" else None
    if request.param == "ripgrep" and ripgrep is None:
        pytest.skip("rg is not installed")
    return Search(available("auto"), root, private, environment(private.home, {}), ripgrep)


@pytest.fixture(autouse=True)
def tree(root: Path) -> None:
    for name, text in {
        "b.py": "import os\n\ndef f():\r\n    return os\n",
        "src/a.py": "def g(): pass\n",
        "src/note.md": "def is a keyword\n",
        ".hidden/x.py": "def hidden(): pass\n",
        "node_modules/x.js": "def no\n",
        ".git/config": "def no\n",
        "binary": "def\0no\n",
        ".gitignore": "src\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name and text, newline="")


async def test_lines_are_found_with_path_and_number(search: Search) -> None:
    assert (await search.find(r"def \w+\(", ".", None, 100)).splitlines() == [
        ".hidden/x.py:1: def hidden(): pass",
        "b.py:3: def f():",
        "src/a.py:1: def g(): pass",
    ]


async def test_path_and_glob_narrow_the_search(search: Search) -> None:
    assert await search.find("^def", "src", None, 100) == "src/a.py:1: def g(): pass\nsrc/note.md:1: def is a keyword"
    assert await search.find("^def", ".", "*.md", 100) == "src/note.md:1: def is a keyword"
    assert await search.find("^def", "src/a.py", None, 100) == "src/a.py:1: def g(): pass"
    assert await search.find("def", ".", "*.js", 100) == "[no line matches]"


async def test_a_generated_folder_is_searched_when_it_is_named(search: Search) -> None:
    assert await search.find("def", "node_modules", None, 100) == "node_modules/x.js:1: def no"


async def test_more_than_the_limit_is_cut_and_said(search: Search) -> None:
    lines = (await search.find("def", ".", None, 2)).splitlines()
    assert len(lines) == 3
    assert "more lines match" in lines[2]


async def test_a_long_line_is_cut(search: Search, root: Path) -> None:
    (root / "long").write_text("needle" + "x" * 2_000_000)
    assert len(await search.find("needle", "long", None, 10)) < 500


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a\0"])
async def test_a_wrong_expression_is_said_to_be_one(search: Search, pattern: str) -> None:
    with pytest.raises(InvalidInput):
        await search.find(pattern, ".", None, 10)


async def test_arguments_that_look_like_options_are_not_taken_for_some(search: Search, root: Path) -> None:
    (root / "-x").write_text("--pre=sh\n")
    assert await search.find("--pre=sh", "-x", None, 10) == "-x:1: --pre=sh"


async def test_the_search_stays_inside_and_never_waits(search: Search, root: Path, outside: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "out").symlink_to(outside)
    (root / "out.txt").symlink_to(outside / "secret")
    assert await search.find("tell", ".", None, 10) == "[no line matches]"
    for path in ("out", "out.txt", "..", "/etc"):
        with pytest.raises(Forbidden):
            await search.find("tell", path, None, 10)
    with pytest.raises(InvalidInput):
        await search.find("tell", "fifo", None, 10)
    with pytest.raises(NotFound):
        await search.find("tell", "nowhere", None, 10)


async def test_modules_of_the_workspace_are_never_imported(search: Search, root: Path) -> None:
    for name in ("argparse.py", "re.py", "servers.py", "sitecustomize.py"):
        (root / name).write_text("raise SystemExit('def hijacked')\n")
    assert "b.py:3: def f():" in await search.find(r"^def \w+\(", ".", "b.py", 10)


async def test_an_expression_that_backtracks_for_ever_is_ended(root: Path, private: Private) -> None:
    (root / "evil").write_text("a" * 60 + "\n")
    search = Search(available("auto"), root, private, environment(private.home, {}), ripgrep=None, seconds=1)
    with pytest.raises(TimedOut, match="longer than 1 s"):
        await search.find("(a+)+$b", ".", None, 10)
