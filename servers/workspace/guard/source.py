"""The source of a script, and what its words become."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from tree_sitter import Node

from servers.workspace.guard import marks
from servers.workspace.guard.place import Place
from servers.workspace.guard.scope import Scope
from servers.workspace.guard.words import Expander, paren

SUBSTITUTIONS = ("command_substitution", "process_substitution", "arithmetic_expansion")
REDIRECTS = ("file_redirect", "herestring_redirect", "heredoc_redirect")
ASSIGNMENTS = ("variable_assignment", "variable_assignments")
NO_WORDS = frozenset((*REDIRECTS, *ASSIGNMENTS, "subshell"))
Follow = Callable[[str], str]
OPENERS = ("$(", "`", "<(", ">(", "$[")


class Source(Scope, ABC):
    """A scope with the source that is read in it; in latin-1, so that an offset in bytes is one in characters."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.source = ""
        self.nodes: dict[int, Node] = {}
        self.words = Expander(self)
        self.sinks: list[tuple[str, Follow]] = []

    @abstractmethod
    def script(self, text: str, stdin: str = "") -> str:
        """Follow `text`; what it prints."""

    @abstractmethod
    def substituted(self, node: Node, raw: str) -> str:
        """The value of a substitution that the grammar found."""

    def slice(self, node: Node) -> str:
        """The source of a node."""
        return self.source[node.start_byte : node.end_byte]

    def raw_words(self, node: Node) -> Iterator[tuple[str, int]]:
        """The sources of a command's words with their offsets; what touches is one word."""
        self.at(node, 0)
        start = end = -1
        for child in node.children:
            if child.type in NO_WORDS:
                continue
            begins, ends = child.start_byte, child.end_byte
            if begins != end and start >= 0:
                yield self.source[start:end], start
                start = -1
            start = begins if start < 0 else start
            end = ends
        if start >= 0:
            yield self.source[start:end], start

    def fields(self, node: Node) -> list[str]:
        """The words that a node becomes."""
        return self.fields_of(self.slice(node), self.at(node, 0))

    def fields_of(self, raw: str, at: int) -> list[str]:
        """The words that one in the source becomes."""
        return [decoded(word) for word in self.words.fields(raw, at)]

    def text(self, node: Node) -> str:
        """A node as one word."""
        return decoded(self.words.text(self.slice(node), self.at(node, 0)))

    def heredoc(self, node: Node) -> str:
        """The body of a here-document that is expanded."""
        return self.words.quoted(self.slice(node), self.at(node, 0))

    def at(self, node: Node, offset: int) -> int:
        """The offset in the source; the substitutions below the node are remembered by theirs."""
        source = self.slice(node)
        if any(opener in source for opener in OPENERS):
            for found in below(node):
                raw = self.slice(found)
                self.nodes[found.start_byte + len(raw) - len(raw.lstrip())] = found
        return node.start_byte + offset

    def substitute(self, raw: str, at: int) -> tuple[str, int]:
        """The value of the substitution with which `raw` begins, and its length."""
        node = self.nodes.get(at) if at >= 0 else None
        if node is not None:
            return self.substituted(node, raw), node.end_byte - at
        if raw.startswith("`"):
            end = raw.find("`", 1) if "`" in raw[1:] else len(raw)
            inner = raw[1:end]
        elif raw.startswith("$["):
            return "1", (raw.find("]") if "]" in raw else len(raw)) + 1
        else:
            end = paren(raw, 2)
            inner = raw[2:end]
            if raw.startswith("$(("):
                return "1", end + 1
        if raw[0] == ">":
            return self.sink(lambda data: self.script(inner, data)), end + 1
        with self.apart():
            said = self.script(inner)
        return (said if raw[0] in "$`" else self.pipe(said)), end + 1

    def pipe(self, said: str) -> str:
        """A name for what `<(…)` prints."""
        name = f"/dev/fd/{63 - len(self.files)}"
        self.files[name] = said
        return name

    def sink(self, follow: Follow) -> str:
        """A name for what `>(…)` reads, which is known once the command around it has run."""
        name = self.pipe(marks.DECODED)
        self.sinks.append((name, follow))
        return name

    def pour(self, since: int) -> str:
        """Follow what stands in the `>(…)` from that number on; what they print."""
        said = ""
        while len(self.sinks) > since:
            name, follow = self.sinks.pop()
            data = self.files[name]
            # What nobody can read here is not run by a shell that stands behind it.
            with self.apart():
                said += follow(data + marks.DECODED if marks.unknown(data) else data)
        return said


def below(node: Node) -> Iterator[Node]:
    """The outermost substitutions of a node."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in SUBSTITUTIONS:
            yield one
        else:
            waiting += reversed(one.children)


def decoded(word: str) -> str:
    """A word of the latin-1 source as the text that its bytes are."""
    return word if word.isascii() else word.encode("latin-1", "replace").decode("utf-8", "replace")
