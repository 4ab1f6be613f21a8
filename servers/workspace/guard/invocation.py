"""One command as the rules see it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell


CLUSTER = re.compile(r"-(?!.*X[A-Z])[a-zA-Z]{2,5}")  # but not -XPUT


class Invocation(NamedTuple):
    """A program with its arguments, in a shell that is followed."""

    shell: Shell
    name: str
    args: list[str]
    stdin: str = ""
    env: dict[str, str] = {}  # noqa: RUF012

    def positionals(self, values: Sequence[str] = ()) -> list[str]:
        """Arguments that are no options, nor values of the options named."""
        return [word for _, word in self.numbered(values)]

    def numbered(self, values: Sequence[str] = ()) -> Iterator[tuple[int, str]]:
        """Positional arguments with their index."""
        skip = only = False
        for index, word in enumerate(self.args):
            if skip:
                skip = False
            elif only or not word.startswith("-") or word == "-":
                yield index, word
            elif word == "--":
                only = True
            else:
                skip = word in values or (_is_cluster(word) and f"-{word[-1]}" in values)

    def flag(self, *names: str) -> bool:
        """Whether one of the options is given; one letter may stand among others."""
        return any(has_flag(self.args, name) for name in names)

    def option(self, *names: str) -> Iterator[str]:
        """The values given to options: behind them, after =, or stuck to a single letter."""
        for index, word in enumerate(self.args):
            for name in names:
                if word == name or (len(name) == 2 and word.endswith(name[1]) and _is_cluster(word)):
                    yield from self.args[index + 1 : index + 2]
                elif word.startswith(name + "="):
                    yield word[len(name) + 1 :]
                elif len(name) == 2 and word.startswith(name) and not word.startswith("--"):
                    yield word[2:]


def _is_cluster(word: str) -> bool:
    """Whether it is several short options in one word, of which the last may take a value."""
    return CLUSTER.fullmatch(word) is not None


def has_flag(args: Sequence[str], name: str) -> bool:
    """Whether an option stands among arguments."""
    for word in args:
        if word == "--":
            return False
        if word == name or word.startswith(name + "="):
            return True
        if len(name) == 2 and word[:1] == "-" and word[1:2] != "-" and 2 < len(word) <= 6 and name[1] in word[1:]:
            return True
    return False
