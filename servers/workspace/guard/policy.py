"""The guard's policy: one YAML file, which a repository's own may only make stricter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from servers.kit.errors import InvalidInput

FILE = Path(__file__).with_name("policy.yaml")
LONGEST = 64 * 1024


class Wrapper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that only runs another: its options with a value, and the words before the command."""

    values: tuple[str, ...] = ()
    skip: int = 0
    assignments: bool = False


class Denial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commands that are not run, and why."""

    because: str
    commands: tuple[str, ...]
    unless: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the rig lets nobody do."""

    wrappers: dict[str, Wrapper]
    runners: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    fills: dict[str, tuple[str, ...]]
    denied: tuple[Denial, ...]
    credentials: tuple[str, ...]
    secret_files: tuple[str, ...]
    public_files: tuple[str, ...]
    secret_variables: str
    harmless_variables: tuple[str, ...]
    system_files: tuple[str, ...]
    devices: tuple[str, ...]
    protected_files: tuple[str, ...]
    protected_branches: tuple[str, ...]
    scratch: tuple[str, ...]
    agents_never_call: tuple[str, ...]
    hosts: tuple[str, ...] = ()


class Stricter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a repository may say: more that is denied, and hosts of its own."""

    denied: tuple[Denial, ...] = ()
    credentials: tuple[str, ...] = ()
    secret_files: tuple[str, ...] = ()
    protected_files: tuple[str, ...] = ()
    protected_branches: tuple[str, ...] = ()
    agents_never_call: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class Command(msgspec.Struct, frozen=True):
    """One line of `denied`, ready to be matched."""

    words: tuple[tuple[str, ...], ...]
    flags: tuple[str, ...]
    without: tuple[str, ...]
    because: str

    def begins(self, given: Sequence[str]) -> bool:
        """Whether its words stand first among those given."""
        if len(given) < len(self.words):
            return False
        return all(
            any(fnmatchcase(word, choice) for choice in choices)
            for choices, word in zip(self.words, given, strict=False)
        )


@lru_cache(maxsize=1)
def base() -> Policy:
    """The rig's own policy."""
    # libyaml's safe loader takes a tenth of the other's time
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data: Any = yaml.load(FILE.read_bytes(), Loader=loader)  # noqa: S506
    return msgspec.convert(data, Policy)


def with_repository(path: Path | None) -> Policy:
    """The rig's policy, made stricter by a repository's file.

    Raises:
        InvalidInput: The file cannot be read, or says what it may not say.
    """
    if path is None:
        return base()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidInput(f"The guard's policy {path} cannot be read: {why}.") from error
    return stricter(base(), text, str(path))


def stricter(policy: Policy, text: str, source: str) -> Policy:
    """`policy` with what `text` adds.

    Raises:
        InvalidInput: It is no YAML of that form.
    """
    from servers.kit import strict_yaml

    if len(text) > LONGEST:
        raise InvalidInput(f"{source}:1: longer than {LONGEST} characters.")
    node, data = strict_yaml.read(text, source, "the guard's policy", aliases=False)
    try:
        more = msgspec.convert(data, Stricter)
    except msgspec.ValidationError as error:
        where = re.search(r"\$\.?([\w.]*)", str(error))
        line = strict_yaml.line_of(node, where[1].split(".") if where else [])
        raise InvalidInput(f"{source}:{line}: {error}.") from error
    return _joined(policy, more)


def _joined(policy: Policy, more: Stricter) -> Policy:
    added = {name: (*getattr(policy, name), *getattr(more, name)) for name in more.__struct_fields__}
    return msgspec.structs.replace(policy, **added)


class Commands:
    """The policy's denied commands, by program."""

    def __init__(self, denied: tuple[Denial, ...]) -> None:
        self._exact: dict[str, list[Command]] = {}
        self._patterns: list[tuple[str, Command]] = []
        for denial in denied:
            for line in denial.commands:
                self._add(line, denial)

    def _add(self, line: str, denial: Denial) -> None:
        programs, *rest = line.split()
        words = tuple(tuple(word.split("|")) for word in rest if not word.startswith(("-", "!")))
        flags = tuple(word for word in rest if word.startswith("-"))
        without = (*(word[1:] for word in rest if word.startswith("!")), *denial.unless)
        command = Command(words, flags, without, denial.because)
        for program in programs.split("|"):
            if "*" in program:
                self._patterns.append((program, command))
            else:
                self._exact.setdefault(program, []).append(command)

    def of(self, program: str) -> list[Command]:
        """What is denied of a program."""
        more = [command for pattern, command in self._patterns if fnmatchcase(program, pattern)]
        return [*self._exact.get(program, ()), *more]
