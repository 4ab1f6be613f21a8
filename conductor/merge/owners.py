"""Who has to approve by CODEOWNERS: the last line that matches a path decides, as at GitHub; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from conductor.merge.patterns import first_match

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_OWNER = re.compile(r"@[\w.-]+(?:/[\w.-]+)?|[^@\s]+@[^@\s]+\.[^@\s]+")
_SPACE = "\x00"


@dataclass(frozen=True)
class Line:
    """A line that counts; without owners it takes ownership away."""

    pattern: str
    owners: tuple[str, ...]


@dataclass
class CodeOwners:
    """A CODEOWNERS file; `warnings` name the lines that count neither here nor at GitHub."""

    lines: list[Line] = field(default_factory=list[Line])
    warnings: list[str] = field(default_factory=list[str])

    def of(self, path: str) -> tuple[str, ...]:
        """The owners of `path`, lower-cased; empty where anybody may change it."""
        found = first_match([*self._by_pattern], path, case=True)
        return self._by_pattern[found] if found else ()

    @cached_property
    def _by_pattern(self) -> dict[str, tuple[str, ...]]:
        """Owners by pattern, the last line first."""
        found: dict[str, tuple[str, ...]] = {}
        for line in reversed(self.lines):
            found.setdefault(line.pattern, line.owners)
        return found


def read(text: str) -> CodeOwners:
    """Read a CODEOWNERS file; lines that GitHub does not take are left out with a warning each."""
    found = CodeOwners()
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if line:
            _read_line(found, number, line)
    return found


def _read_line(found: CodeOwners, number: int, line: str) -> None:
    pattern, *owners = line.replace("\\ ", _SPACE).split()
    wrong = [owner for owner in owners if not _OWNER.fullmatch(owner)]
    if pattern.startswith(("!", "\\#")) or re.search(r"[\[\]]", pattern):
        found.warnings.append(f"CODEOWNERS:{number}: `!`, `[ ]` and `\\#` mean nothing; the line is left out.")
    elif wrong:
        found.warnings.append(f"CODEOWNERS:{number}: {wrong[0]} is no owner; the line is left out.")
    else:
        found.lines.append(Line(pattern.replace(_SPACE, " "), tuple(owner.lower() for owner in owners)))


@dataclass(frozen=True)
class Missing:
    """Paths that wait for an approval by any one of `owners`; `known` are those whose accounts are known."""

    owners: tuple[str, ...]
    paths: tuple[str, ...]
    known: frozenset[str]
    unknown: tuple[str, ...]


def needed(owners: CodeOwners, paths: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    """The owned ones of `paths`, by who owns them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for path in dict.fromkeys(paths):
        if whose := owners.of(path):
            found.setdefault(whose, []).append(path)
    return found


@lru_cache(maxsize=8)
def wanted(text: str, paths: tuple[str, ...]) -> Mapping[tuple[str, ...], list[str]]:
    """The same for a file's text, kept: the gate asks several times, and a large file takes seconds."""
    return needed(read(text), paths)


def to_resolve(owners: Iterable[str]) -> list[str]:
    """Those of `owners` who are no account by themselves: teams and addresses."""
    return sorted({owner for owner in owners if not _is_account(owner)})


def missing(
    owned: Mapping[tuple[str, ...], list[str]],
    accounts: Mapping[str, list[str] | None],
    approved_by: Iterable[str],
    authors: Collection[str],
) -> list[Missing]:
    """What still lacks an approval.

    Args:
        owned: Paths by their owners.
        accounts: The members of teams and addresses; None or nothing where GitHub does not tell.
        approved_by: Who approved at the head.
        authors: Whose own ownership does not count, lower-cased.
    """
    approved = {login.lower() for login in approved_by} - {*authors}
    found: list[Missing] = []
    for whose, paths in owned.items():
        known = {login for owner in whose for login in _accounts(owner, accounts)} - {*authors}
        unknown = tuple(owner for owner in whose if not _is_account(owner) and accounts.get(owner) is None)
        if not known & approved:
            found.append(Missing(whose, tuple(paths), frozenset(known), unknown))
    return found


def _is_account(owner: str) -> bool:
    return owner.startswith("@") and "/" not in owner


def _accounts(owner: str, accounts: Mapping[str, list[str] | None]) -> list[str]:
    return [owner[1:]] if _is_account(owner) else [login.lower() for login in accounts.get(owner) or []]
