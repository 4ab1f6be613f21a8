"""GraphQL documents as trees: the part of the language that clients of GitHub send."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r"""[\s,\ufeff]+|\#[^\n\r]*
    |(?P<punct>\.\.\.|[!$&()\[\]{}:=@|])
    |(?P<name>[_A-Za-z][_0-9A-Za-z]*)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<block>\"\"\"(?:\\\"\"\"|[^"]|"(?!""))*\"\"\")
    |(?P<string>"(?:[^"\\\n]|\\.)*")""",
    re.VERBOSE,
)
DEEPEST = 25


class SyntaxProblem(Exception):
    """The document is not GraphQL."""


@dataclass(frozen=True)
class Variable:
    name: str


@dataclass(frozen=True)
class Directive:
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Field:
    name: str
    alias: str
    arguments: dict[str, Any]
    directives: list[Directive]
    selections: list[Selection]


@dataclass(frozen=True)
class Spread:
    """`...Name`, or `... on Type { }` which carries its own selections."""

    fragment: str | None
    on_type: str | None
    directives: list[Directive]
    selections: list[Selection]


Selection = Field | Spread


@dataclass(frozen=True)
class Operation:
    kind: str
    name: str | None
    required: list[str]
    defaults: dict[str, Any]
    selections: list[Selection]


@dataclass
class Document:
    operations: list[Operation] = field(default_factory=list[Operation])
    fragments: dict[str, Spread] = field(default_factory=dict[str, Spread])


def parse(text: str) -> Document:
    return _Parser(text).document()


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise SyntaxProblem(f"Expected one of the tokens of GraphQL, actual: {text[position : position + 10]!r}")
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
        position = match.end()
    return [*found, ("end", "")]


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0

    @property
    def ahead(self) -> str:
        kind, text = self.tokens[self.position]
        return text if kind in ("punct", "name") else f"<{kind}>"

    def take(self, expected: str | None = None) -> str:
        kind, text = self.tokens[self.position]
        if kind == "end" or (expected is not None and text != expected):
            raise SyntaxProblem(f"Expected {expected or 'more'}, actual: {text or 'end of the document'}")
        self.position += 1
        return text

    def name(self) -> str:
        if self.tokens[self.position][0] != "name":
            raise SyntaxProblem(f"Expected a name, actual: {self.tokens[self.position][1] or 'end'}")
        return self.take()

    def skip(self, text: str) -> bool:
        if self.ahead != text:
            return False
        self.position += 1
        return True

    def document(self) -> Document:
        found = Document()
        while self.tokens[self.position][0] != "end":
            if self.ahead == "fragment":
                self.take()
                name = self.name()
                self.take("on")
                on_type, directives = self.name(), self.directives()
                found.fragments[name] = Spread(name, on_type, directives, self.selections())
            else:
                found.operations.append(self.operation())
        return found

    def operation(self) -> Operation:
        if self.ahead == "{":
            return Operation("query", None, [], {}, self.selections())
        kind = self.name()
        if kind not in ("query", "mutation"):
            raise SyntaxProblem(f"Expected query or mutation, actual: {kind}")
        name = self.name() if self.tokens[self.position][0] == "name" else None
        required, defaults = self.variables()
        self.directives()
        return Operation(kind, name, required, defaults, self.selections())

    def variables(self) -> tuple[list[str], dict[str, Any]]:
        required: list[str] = []
        defaults: dict[str, Any] = {}
        if not self.skip("("):
            return required, defaults
        while not self.skip(")"):
            self.take("$")
            name = self.name()
            self.take(":")
            must = self.type_reference()
            defaults[name] = self.value() if self.skip("=") else None
            if must and defaults[name] is None:
                required.append(name)
        return required, defaults

    def type_reference(self) -> bool:
        """Whether the type says that there must be a value."""
        if self.skip("["):
            self.type_reference()
            self.take("]")
        else:
            self.name()
        return self.skip("!")

    def selections(self) -> list[Selection]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise SyntaxProblem("The query is nested too deeply")
        self.take("{")
        found: list[Selection] = []
        while not self.skip("}"):
            found.append(self.spread() if self.skip("...") else self.field())
        self.depth -= 1
        return found

    def spread(self) -> Spread:
        if self.ahead == "on":
            self.take()
            return Spread(None, self.name(), self.directives(), self.selections())
        if self.ahead in ("{", "@"):
            return Spread(None, None, self.directives(), self.selections())
        return Spread(self.name(), None, self.directives(), [])

    def field(self) -> Field:
        alias = name = self.name()
        if self.skip(":"):
            name = self.name()
        arguments, directives = self.arguments(), self.directives()
        return Field(name, alias, arguments, directives, self.selections() if self.ahead == "{" else [])

    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.skip("("):
            while not self.skip(")"):
                name = self.name()
                self.take(":")
                found[name] = self.value()
        return found

    def directives(self) -> list[Directive]:
        found: list[Directive] = []
        while self.skip("@"):
            found.append(Directive(self.name(), self.arguments()))
        return found

    def value(self) -> Any:
        kind, text = self.tokens[self.position]
        if text == "$":
            self.take()
            return Variable(self.name())
        if text == "[":
            self.take()
            items: list[Any] = []
            while not self.skip("]"):
                items.append(self.value())
            return items
        if text == "{":
            self.take()
            pairs: dict[str, Any] = {}
            while not self.skip("}"):
                name = self.name()
                self.take(":")
                pairs[name] = self.value()
            return pairs
        self.take()
        return _scalar(kind, text)


def _scalar(kind: str, text: str) -> Any:
    if kind == "number":
        return int(text) if text.lstrip("-").isdigit() else float(text)
    if kind == "block":
        return text[3:-3].strip("\n").replace('\\"""', '"""')
    if kind == "string":
        return json.loads(text)
    if kind == "name":
        return {"true": True, "false": False, "null": None}.get(text, text)
    raise SyntaxProblem(f"Expected a value, actual: {text}")
