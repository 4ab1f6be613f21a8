"""CODEOWNERS as GitHub reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.merge.owners import missing, needed, read, to_resolve

TEXT = """\
# Everybody
*            @ada
*.py         @Grace @acme/python   # a comment @nobody
/docs/       docs@example.com
/docs/free/
apps/ @acme/apps
with\\ space.txt @linus
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", ("@ada",)),
        ("src/deep/app.py", ("@grace", "@acme/python")),
        ("docs/guide.md", ("docs@example.com",)),
        ("docs/free/guide.md", ()),
        ("lib/docs/guide.md", ("@ada",)),
        ("web/apps/index.ts", ("@acme/apps",)),
        ("with space.txt", ("@linus",)),
        ("APPS.PY", ("@ada",)),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_last_line_that_matches_decides(path: str, owners: tuple[str, ...], newline: str) -> None:
    assert read(TEXT.replace("\n", newline)).of(path) == owners


@pytest.mark.parametrize(
    "line", ["!secret.txt @ada", "[ab].txt @ada", "\\#odd @ada", "x.txt ada", "x.txt @ada nobody", "[Section] @ada"]
)
def test_a_line_that_github_does_not_take_is_left_out_with_a_warning(line: str) -> None:
    found = read(f"* @all\n{line}\n")
    assert found.of("secret.txt") == found.of("a.txt") == found.of("x.txt") == ("@all",)
    [warning] = found.warnings
    assert warning.startswith("CODEOWNERS:2: ")


def test_paths_are_put_together_by_their_owners() -> None:
    found = needed(read(TEXT), ["a.py", "b.py", "docs/free/x", "LICENSE", "a.py"])
    assert found == {("@grace", "@acme/python"): ["a.py", "b.py"], ("@ada",): ["LICENSE"]}
    assert to_resolve(["@ada", "@acme/python", "x@y.org"]) == ["@acme/python", "x@y.org"]


WANTED = {("@ada", "@acme/core"): ["a.py"]}


@pytest.mark.parametrize(
    ("approved_by", "accounts", "satisfied"),
    [
        (["Ada"], {}, True),
        (["grace"], {"@acme/core": ["Grace"]}, True),
        (["grace"], {"@acme/core": None}, False),
        (["grace"], {}, False),
        (["mallory"], {"@acme/core": ["grace"]}, False),
        (["the-author"], {"@acme/core": ["the-author"]}, False),
        ([], {"@acme/core": []}, False),
    ],
)
def test_an_owner_has_to_approve(
    approved_by: list[str], accounts: dict[str, list[str] | None], satisfied: bool
) -> None:
    assert (missing(WANTED, accounts, approved_by, {"the-author"}) == []) == satisfied


def test_it_says_who_could_approve_and_whom_nobody_knows() -> None:
    [one] = missing({("@ada", "@acme/core", "x@y.org"): ["a"]}, {"@acme/core": ["Grace"]}, [], {"ada"})
    assert (one.known, one.unknown) == (frozenset({"grace"}), ("x@y.org",))


@given(st.text(max_size=300), st.text(min_size=1, max_size=60))
def test_no_file_and_no_path_is_too_odd(text: str, path: str) -> None:
    for owner in read(text).of(path):
        assert "@" in owner
