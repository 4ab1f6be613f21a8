"""Files are listed, read and written as an agent needs it, and nothing else happens to them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from servers.kit.errors import Forbidden, InvalidInput, NotFound, RigError, TooLarge
from servers.workspace.store import MAX_WRITE_BYTES, Workspace


def fill(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_files_are_listed_sorted_and_seen_from_the_root(files: Workspace, root: Path) -> None:
    fill(root, "b.py", "a/z.py", "a/m/x.ts")
    assert files.list_files(".", "**/*", 500) == "a/m/x.ts\na/z.py\nb.py"
    assert files.list_files("a", "**/*", 500) == "a/m/x.ts\na/z.py"
    assert files.list_files("a", "*.{py,md}", 500) == "a/z.py"
    assert files.list_files(".", "*.md", 500) == "[no file matches]"


def test_generated_folders_are_left_out_unless_named(files: Workspace, root: Path) -> None:
    fill(root, "x.js", "node_modules/left/pad.js", ".git/config", "sub/__pycache__/x.pyc")
    assert files.list_files(".", "**/*", 500) == "x.js"
    assert files.list_files("node_modules", "**/*", 500) == "node_modules/left/pad.js"


def test_a_long_list_is_cut_and_says_so(files: Workspace, root: Path) -> None:
    fill(root, "a", "b", "c")
    assert files.list_files(".", "**/*", 3) == "a\nb\nc"
    assert files.list_files(".", "**/*", 2).splitlines()[:2] == ["a", "b"]
    assert "more than 2 files" in files.list_files(".", "**/*", 2)


def test_links_are_listed_and_not_followed(files: Workspace, root: Path, outside: Path) -> None:
    (root / "out").symlink_to(outside)
    (root / "self").symlink_to(".")
    assert files.list_files(".", "**/*", 500) == "out\nself"


def test_a_very_deep_tree_and_odd_names_are_listed(files: Workspace, root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (root / os.fsdecode(b"caf\xe9")).touch()
    assert files.list_files(".", "**/*", 500) == "caf\N{REPLACEMENT CHARACTER}"


def test_what_is_no_folder_is_not_listed(files: Workspace, root: Path) -> None:
    fill(root, "a")
    with pytest.raises(InvalidInput):
        files.list_files("a", "**/*", 500)
    with pytest.raises(NotFound):
        files.list_files("b", "**/*", 500)


def test_lines_are_read_with_their_numbers(files: Workspace, root: Path) -> None:
    (root / "x").write_bytes(b"one\ntwo\r\n\nfour")
    assert files.read_file("x", 1, None) == "     1\tone\n     2\ttwo\n     3\t\n     4\tfour"
    assert files.read_file("x", 2, 3) == "     2\ttwo\n     3\t\n[x goes on; read it from start_line=4]"
    assert files.read_file("x", 4, 9) == "     4\tfour"
    assert files.read_file("x", 9, None) == "[x has only 4 lines]"


def test_an_empty_and_a_binary_file_are_said_to_be_so(files: Workspace, root: Path) -> None:
    (root / "empty").touch()
    (root / "image").write_bytes(b"\x89PNG\0\0")
    (root / "latin").write_bytes(b"caf\xe9\n")
    assert files.read_file("empty", 1, None) == "[empty is empty]"
    assert files.read_file("image", 1, None) == "[image is a binary file of 6 bytes]"
    assert files.read_file("latin", 1, None) == "     1\tcaf\N{REPLACEMENT CHARACTER}"


def test_a_huge_file_is_read_piece_by_piece(files: Workspace, root: Path) -> None:
    (root / "big").write_text("".join(f"line {n}\n" for n in range(1, 200_001)))
    seen, start = list[str](), 1
    while True:
        *lines, last = files.read_file("big", start, None).splitlines()
        assert len("\n".join(lines)) < 512 * 1024
        seen += [line.partition("\t")[2] for line in lines]
        if "goes on" not in last:
            break
        start = int(last.rpartition("=")[2].rstrip("]"))
    assert [*seen, last.partition("\t")[2]] == [f"line {n}" for n in range(1, 200_001)]


def test_a_huge_line_is_cut_and_the_next_can_be_read(files: Workspace, root: Path) -> None:
    (root / "min.js").write_bytes(b"x" * 3_000_000 + b"\nlast\n")
    answer = files.read_file("min.js", 1, None)
    assert len(answer) < 300_000
    assert answer.endswith("the next line with start_line=2]")
    assert files.read_file("min.js", 2, None) == "     2\tlast"


def test_a_sparse_giant_is_named_binary_at_once(files: Workspace, root: Path) -> None:
    with (root / "giant").open("wb") as file:
        file.truncate(1 << 40)
    assert files.read_file("giant", 1, None) == f"[giant is a binary file of {1 << 40} bytes]"
    with pytest.raises(TooLarge):
        files.edit_file("giant", "a", "b", False)


@pytest.mark.parametrize("name", ["fifo", "socket", "folder", "null"])
def test_what_is_no_regular_file_is_refused_without_waiting(files: Workspace, root: Path, name: str) -> None:
    os.mkfifo(root / "fifo")
    (root / "folder").mkdir()
    (root / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(root / "socket"))
    for attempt in (
        lambda: files.read_file(name, 1, None),
        lambda: files.edit_file(name, "a", "b", False),
        lambda: files.write_file(name, "x"),
    ):
        with pytest.raises((InvalidInput, Forbidden)):
            attempt()
    assert {path.name for path in root.iterdir()} == {"fifo", "socket", "folder", "null"}


def test_an_edit_replaces_the_one_place_and_keeps_the_mode(files: Workspace, root: Path) -> None:
    (root / "run.sh").write_text("#!/bin/sh\necho one\necho two\n")
    (root / "run.sh").chmod(0o750)
    assert files.edit_file("run.sh", "echo two", "echo 2", False) == "Replaced in run.sh at line 3."
    assert (root / "run.sh").read_text() == "#!/bin/sh\necho one\necho 2\n"
    assert (root / "run.sh").stat().st_mode & 0o777 == 0o750
    assert [path.name for path in root.iterdir()] == ["run.sh"]


def test_an_edit_of_several_places_is_refused_with_their_lines(files: Workspace, root: Path) -> None:
    (root / "x").write_text("a\nb\na\n")
    with pytest.raises(InvalidInput, match=r"2 times in x \(lines 1, 3\)"):
        files.edit_file("x", "a", "c", False)
    assert files.edit_file("x", "a", "c", True) == "Replaced in x at line 1, 3."
    assert (root / "x").read_text() == "c\nb\nc\n"


def test_an_edit_of_nothing_says_how_near_it_was(files: Workspace, root: Path) -> None:
    (root / "x").write_text("def f():\n    return 1\n")
    with pytest.raises(NotFound, match="first line is like line 1"):
        files.edit_file("x", "def f():\n  return 1", "y", False)
    with pytest.raises(NotFound, match="without line numbers"):
        files.edit_file("x", "     2\treturn 1", "y", False)
    for old, new in (("", "y"), ("return", "return")):
        with pytest.raises(InvalidInput, match="old must be"):
            files.edit_file("x", old, new, False)


def test_line_ends_stay_as_the_file_has_them(files: Workspace, root: Path) -> None:
    (root / "dos").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    files.edit_file("dos", "one\ntwo\n", "1\n2\n", False)
    assert (root / "dos").read_bytes() == b"1\r\n2\r\nthree\r\n"
    files.write_file("dos", "a\nb\n")
    assert (root / "dos").read_bytes() == b"a\r\nb\r\n"
    (root / "unix").write_bytes(b"one\ntwo\n")
    files.edit_file("unix", "one\r\ntwo", "1\r\n2", False)
    assert (root / "unix").read_bytes() == b"1\n2\n"


def test_an_edit_leaves_bytes_that_are_no_text_alone(files: Workspace, root: Path) -> None:
    (root / "latin").write_bytes(b"caf\xe9 = 1\nx = \\1\n")
    files.edit_file("latin", "x = \\1", r"x = \g<0>\n", False)
    assert (root / "latin").read_bytes() == b"caf\xe9 = 1\nx = \\g<0>\\n\n"


def test_a_file_is_created_with_its_folders(files: Workspace, root: Path) -> None:
    assert files.write_file("a/b/c.txt", "hi\n") == "Created a/b/c.txt (1 lines, 3 bytes)."
    assert files.write_file("a/b/c.txt", "") == "Replaced a/b/c.txt (0 lines, 0 bytes)."
    assert (root / "a/b/c.txt").read_text() == ""


def test_a_write_through_a_link_inside_changes_the_target_and_keeps_the_link(files: Workspace, root: Path) -> None:
    fill(root, "real/x")
    (root / "link").symlink_to("real/x")
    files.write_file("link", "new")
    assert (root / "link").is_symlink()
    assert (root / "real/x").read_text() == "new"


def test_a_write_never_reaches_a_file_outside_that_has_a_second_name_here(
    files: Workspace, root: Path, outside: Path
) -> None:
    os.link(outside / "secret", root / "twin")
    files.write_file("twin", "changed")
    assert (outside / "secret").read_text() == "do not tell"


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", ".GIT/config", "a/.git", "hidden/config"])
def test_git_is_not_written_not_even_through_a_link(files: Workspace, root: Path, path: str) -> None:
    fill(root, ".git/config")
    (root / "hidden").symlink_to(".git")
    with pytest.raises(Forbidden, match="belongs to git"):
        files.write_file(path, "x")
    with pytest.raises(RigError):
        files.edit_file(path, ".git", "x", False)
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) == [".git/config"]


def test_too_much_is_not_written(files: Workspace, root: Path) -> None:
    with pytest.raises(TooLarge):
        files.write_file("x", "x" * (MAX_WRITE_BYTES + 1))
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("path", [".", "", "a/.."])
def test_the_workspace_itself_is_no_file(files: Workspace, root: Path, path: str) -> None:
    (root / "a").mkdir()
    with pytest.raises(InvalidInput):
        files.write_file(path, "x")
