"""Reads shell by tree-sitter's grammar of bash, within bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from servers.workspace.guard.verdict import Unclear

LONGEST = 128 * 1024
HEREDOCS = 64
DEEPEST = 120
SECONDS = 0.25

_parser = Parser(Language(tree_sitter_bash.language()))


def parse(source: str) -> Node:
    """The tree of a script given as latin-1, so that an offset in bytes is one in characters.

    Raises:
        Unclear: It is too long or too tangled to be read in bounded time.
    """
    if len(source) > LONGEST:
        raise Unclear(f"It is longer than {LONGEST // 1024} kB. Write the script into a file and run that.")
    if source.count("<<") > HEREDOCS:
        raise Unclear(f"It has more than {HEREDOCS} here-documents. Write the files one by one.")
    data = source.encode("latin-1")
    if len(data) < 512:
        return _parser.parse(data).root_node
    return _bounded(data)


def _bounded(data: bytes) -> Node:
    end = time.thread_time() + SECONDS
    late, tree = False, None

    def stop(_offset: int, _error: bool) -> bool:
        nonlocal late
        late = time.thread_time() > end
        return late

    try:
        tree = _parser.parse(lambda offset, _point: data[offset : offset + 65536], progress_callback=stop)
    except ValueError:
        late = True
    finally:
        _parser.reset()
    if late or tree is None:
        raise Unclear("It is too tangled to be read. Split it into several commands, or write a script.")
    return tree.root_node


def errors(root: Node) -> Iterator[Node]:
    """The places that the grammar did not understand."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type == "ERROR" or node.is_missing:
            yield node
        elif node.has_error:
            waiting += node.children
