"""Redirections: where a command reads from and writes to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Node

from servers.workspace.guard import marks
from servers.workspace.guard.rules import paths

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell

SOCKET = re.compile(r"/dev/(tcp|udp)/")


class Streams(NamedTuple):
    """What the redirections of a command say."""

    stdin: str
    outputs: list[str]
    words: list[str]
    pipeline: list[Node]
    following: list[Node]


class Redirects:
    """Reads and applies redirections."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def read(self, node: Node, stdin: str) -> Streams:
        """The redirections among a node's children."""
        streams = Streams(stdin, [], [], [], [])
        string = False
        for child in node.children:
            if child.type == "ERROR":
                string = self._shell.slice(child).strip() == "<<"
            elif child.type == "file_redirect":
                streams = self._file(child, streams, string)
                string = False
            elif child.type == "herestring_redirect":
                streams = streams._replace(stdin=self._string(child))
            elif child.type == "heredoc_redirect":
                streams = self._heredoc(child, streams)
        return streams

    def write(self, streams: Streams, said: str) -> str:
        """What is left of a command's output after it went into files."""
        for path in streams.outputs:
            self._shell.files[path] = said
            if marks.SECRET in said:
                paths.block_secret(f"It writes a credential into {path}.")
        return "" if streams.outputs else said

    def _file(self, node: Node, streams: Streams, string: bool) -> Streams:
        operator = next((child.type for child in node.children if not child.is_named), "<")
        descriptor = next((self._shell.slice(c) for c in node.children if c.type == "file_descriptor"), "")
        targets = [child for child in node.named_children if child.type not in ("file_descriptor", "ERROR")]
        if not targets:
            return streams
        if string:
            return streams._replace(stdin=self._shell.text(targets[0]) + "\n")
        path, *more = self._shell.fields(targets[0]) or [""]
        for target in targets[1:]:
            more += self._shell.fields(target)
        streams.words.extend(more)
        if operator in (">&", "<&", ">&-", "<&-") and re.fullmatch(r"\d*-?", path):
            return streams
        return self._opened(path, operator, descriptor, streams)

    def _opened(self, path: str, operator: str, descriptor: str, streams: Streams) -> Streams:
        if SOCKET.match(path):
            paths.block_socket(path, self._shell.place)
        if operator in ("<", "<&"):
            return streams._replace(stdin=paths.content(self._shell, path))
        paths.check_write(self._shell, path)
        absolute = self._shell.absolute(path) or path
        if descriptor in ("", "1") and path not in ("/dev/stdout", "/dev/stderr", "/dev/tty"):
            streams.outputs.append(absolute)
        return streams

    def _string(self, node: Node) -> str:
        return "".join(self._shell.text(child) for child in node.named_children) + "\n"

    def _heredoc(self, node: Node, streams: Streams) -> Streams:
        start = next((self._shell.slice(c) for c in node.children if c.type == "heredoc_start"), "")
        body = next((c for c in node.children if c.type == "heredoc_body"), None)
        text = ""
        if body is not None:
            literal = re.search(r"[\\'\"]", start)
            text = self._shell.slice(body) if literal else self._shell.heredoc(body)
        if any(child.type == "<<-" for child in node.children):
            text = re.sub(r"(?m)^\t+", "", text)
        return self._beside(node, streams._replace(stdin=text))

    def _beside(self, node: Node, streams: Streams) -> Streams:
        """What stands on the line of a here-document behind its name."""
        for child in node.named_children:
            match child.type:
                case "heredoc_start" | "heredoc_body" | "heredoc_end" | "ERROR":
                    pass
                case "file_redirect":
                    streams = self._file(child, streams, string=False)
                case "pipeline":
                    streams.pipeline.extend(child.named_children)
                case "command" | "list" | "redirected_statement" | "subshell" | "compound_statement":
                    streams.following.append(child)
                case _:
                    streams.words.extend(self._shell.fields(child))
        return streams
