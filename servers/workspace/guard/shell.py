"""Follows a script statement by statement, without running it, and hands each command to the rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Protocol

from tree_sitter import Node

from servers.workspace.guard import marks, syntax
from servers.workspace.guard.place import Place
from servers.workspace.guard.redirects import Redirects, Streams
from servers.workspace.guard.scope import MOST_VALUES, Function
from servers.workspace.guard.source import ASSIGNMENTS, REDIRECTS, Source, below
from servers.workspace.guard.verdict import Unclear

STEPS = 4000
NESTED = 24
ASSIGNED = re.compile(r"([A-Za-z_]\w*)(\[[^\]]*\])?(\+?)=", re.DOTALL)


class Calls(Protocol):
    """What judges one command."""

    def call(self, shell: Shell, argv: list[str], stdin: str, env: dict[str, str]) -> str: ...
    def assigned(self, shell: Shell, name: str, value: str) -> None: ...


class Shell(Source):
    """A script that is followed.

    Args:
        calls: Judges each command; raises Blocked.
    """

    def __init__(self, place: Place, calls: Calls) -> None:
        super().__init__(place)
        self.calls = calls
        self.steps = 0
        self.depth = 0
        self.level = 0
        self.doubt = ""
        self.calling: list[str] = []
        self._redirects = Redirects(self)

    def script(self, text: str, stdin: str = "") -> str:
        """Follow `text`; what it prints."""
        self._deeper()
        source = text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")
        source = marks.as_variables(source) if marks.unknown(source) else source
        kept, poured = (self.source, self.nodes), len(self.sinks)
        try:
            root = syntax.parse(source)
            self.source, self.nodes = source, {}
            self._note_errors(root)
            return self._statement(root, stdin) + self.pour(poured)
        finally:
            self.source, self.nodes = kept
            self.depth -= 1

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > NESTED:
            self.depth -= 1
            raise Unclear("Commands are nested too deeply. Write a script.")

    def _note_errors(self, root: Node) -> None:
        if not root.has_error:
            return
        for node in syntax.errors(root):
            if self.slice(node).strip() not in ("<<", "<", ">"):  # here-strings behind redirections
                self.doubt = self.doubt or "It cannot be parsed as shell. Quote it properly, or write a script."

    def _statement(self, node: Node, stdin: str) -> str:
        self.steps += 1
        if self.steps > STEPS:
            raise Unclear("It has too many commands to be judged. Write a script.")
        self._deeper_node()
        try:
            return self._by_type(node, stdin)
        finally:
            self.level -= 1

    def _deeper_node(self) -> None:
        self.level += 1
        if self.level > syntax.DEEPEST:
            self.level -= 1
            raise Unclear("It is nested too deeply. Write a script.")

    def _by_type(self, node: Node, stdin: str) -> str:
        match node.type:
            case "command":
                return self._command(node, stdin, [])
            case "program" | "compound_statement" | "do_group" | "ERROR":
                return self._sequence(node.children, stdin)
            case "list":
                return self._list(node, stdin)
            case "pipeline":
                return self._pipeline(node.named_children, stdin)
            case "redirected_statement":
                return self._redirected(node, stdin)
            case "subshell":
                with self.apart():
                    return self._sequence(node.children, stdin)
            case "if_statement" | "while_statement" | "elif_clause" | "else_clause" | "c_style_for_statement":
                with self.maybe():
                    return self._sequence(node.children, stdin)
            case "for_statement":
                return self._for(node, stdin)
            case "case_statement" | "case_item":
                return self._case(node, stdin)
            case "negated_command":
                return self._sequence(node.named_children, stdin)
            case "function_definition":
                self._define(node)
                return ""
            case _:
                return self._other(node)

    def _other(self, node: Node) -> str:
        match node.type:
            case "variable_assignment" | "variable_assignments":
                self._assign_all(node)
            case "declaration_command":
                return self._declare(node)
            case "unset_command":
                for child in node.named_children:
                    self.values.pop(self.slice(child), None)
            case "comment" | "heredoc_body" | "heredoc_end" | "variable_name":
                pass
            case _:
                self._substitutions(node)
        return ""

    def _sequence(self, nodes: Sequence[Node], stdin: str) -> str:
        return "".join([self._statement(node, stdin) for node in nodes if node.is_named])

    def _list(self, node: Node, stdin: str) -> str:
        first, *rest = node.named_children
        said = [self._statement(first, stdin)]
        with self.maybe() if any(child.type == "||" for child in node.children) else nullcontext():
            said += [self._statement(other, stdin) for other in rest]
        return "".join(said)

    def _pipeline(self, nodes: Sequence[Node], stdin: str) -> str:
        data = stdin
        for node in nodes:
            with self.apart():
                data = self._statement(node, data)
        return data

    def _redirected(self, node: Node, stdin: str) -> str:
        body = [child for child in node.named_children if child.type not in (*REDIRECTS, "ERROR")]
        poured = len(self.sinks)
        streams = self._redirects.read(node, stdin)
        if not body:
            said = ""
        elif body[0].type == "command":
            said = self._command(body[0], streams.stdin, streams.words)
        else:
            said = self._statement(body[0], streams.stdin)
        return self._after(streams, said) + self.pour(poured)

    def _after(self, streams: Streams, said: str) -> str:
        said = self._redirects.write(streams, said)
        if streams.pipeline:
            said = self._pipeline(streams.pipeline, said)
        for node in streams.following:
            said += self._statement(node, "")
        return said

    def _for(self, node: Node, stdin: str) -> str:
        name, *rest = node.named_children
        items = [word for child in rest if child.type != "do_group" for word in self.fields(child)]
        items = items or [marks.VARIABLE]
        said: list[str] = []
        for item in dict.fromkeys([*items[:3], *items[-3:], *_outstanding(items)]):
            self.values[self.slice(name)] = [item]
            said += [self._statement(child, stdin) for child in rest if child.type == "do_group"]
        return "".join(said)

    def _case(self, node: Node, stdin: str) -> str:
        in_item = node.type == "case_item"
        behind = not in_item
        said = ""
        with self.maybe():
            for child in node.children:
                if child.type == ")":
                    behind = True
                elif child.is_named and (child.type == "case_item" or (behind and in_item)):
                    said += self._statement(child, stdin)
                elif child.is_named:
                    self._substitutions(child)
        return said

    def _define(self, node: Node) -> None:
        name, *rest = node.named_children
        if rest:
            self.functions[self.slice(name)] = Function(self.source, rest[-1])

    def run_function(self, function: Function, argv: list[str], stdin: str) -> str:
        """Follow a function that is called."""
        self._deeper()
        kept, poured = (self.source, self.nodes, self.arguments), len(self.sinks)
        self.source, self.nodes, self.arguments = function.source, {}, argv
        self.calling.append(argv[0])
        try:
            return self._statement(function.body, stdin) + self.pour(poured)
        finally:
            self.source, self.nodes, self.arguments = kept
            self.calling.pop()
            self.depth -= 1

    def _declare(self, node: Node) -> str:
        others = [child for child in node.children if child.type not in (*ASSIGNMENTS, "variable_name")]
        words = [word for child in others for word in self.fields(child)]
        for child in node.named_children:
            if child.type in ASSIGNMENTS:
                self._assign_all(child)
        named = [child for child in node.named_children if child.type in (*ASSIGNMENTS, "variable_name")]
        argv = words + [self.slice(child) for child in named]
        return "" if named else self.calls.call(self, argv, "", {})

    def _assign_all(self, node: Node) -> None:
        for child in node.named_children if node.type == "variable_assignments" else [node]:
            found = self._assignment(child)
            if found:
                self.assign(*found)
                self.calls.assigned(self, found[0], self.variable(found[0]))

    def _assignment(self, node: Node) -> tuple[str, str, bool] | None:
        raw = self.slice(node)
        found = ASSIGNED.match(raw)
        if found is None:
            self._substitutions(node)
            return None
        value = raw[found.end() :]
        if value.startswith("("):
            array = [
                word
                for child in node.named_children[1:]
                for item in child.named_children
                for word in self.fields(item)
            ]
            return found[1], " ".join(array), bool(found[3])
        return found[1], self.words.text(value, self.at(node, found.end())), bool(found[3])

    def _command(self, node: Node, stdin: str, extra: list[str]) -> str:
        """A simple command, once for each value that its variables may have."""
        kept = self.choice, self.choices
        self.choice, self.choices, said = 0, 1, ""
        try:
            while True:
                said = self._once(node, stdin, extra)
                self.choice += 1
                if self.choice >= min(self.choices, MOST_VALUES):
                    return said
        finally:
            self.choice, self.choices = kept

    def _once(self, node: Node, stdin: str, extra: list[str]) -> str:
        env, poured = dict[str, str](), len(self.sinks)
        for child in node.named_children:
            if child.type == "subshell":  # behind `time` or `coproc`
                self._statement(child, stdin)
            elif child.type == "variable_assignment" and (found := self._assignment(child)):
                env[found[0]] = found[1]
        argv = [word for raw, at in self.raw_words(node) for word in self.fields_of(raw, at)] + extra
        redirects = any(child.type in REDIRECTS for child in node.children)
        streams = self._redirects.read(node, stdin) if redirects else None
        said = self.calls.call(self, argv, streams.stdin if streams else stdin, env)
        return (self._after(streams, said) if streams else said) + self.pour(poured)

    def substituted(self, node: Node, raw: str) -> str:
        """The value of a substitution that the grammar found."""
        if raw[0] == ">":
            return self.sink(lambda data: self._sequence(node.children, data))
        with self.apart():
            if node.type == "arithmetic_expansion":
                for child in node.named_children:
                    self._substitutions(child)
                return "1"
            first = node.named_children[:1]
            if first and first[0].type == "file_redirect":  # $(< file)
                return self._redirects.read(node, "").stdin
            said = self._sequence(node.children, "")
        return said if raw[0] in "$`" else self.pipe(said)

    def _substitutions(self, node: Node) -> None:
        for found in below(node):
            self.substituted(found, self.slice(found).lstrip())


def _outstanding(items: Sequence[str]) -> list[str]:
    """Items of a loop that are worth a look: paths that lead away."""
    return [item for item in items if item[:1] in "/~." or marks.unknown(item)][:6]
