"""Expands a word of shell as bash does: quotes, escapes, braces, tilde, variables and substitutions."""

from __future__ import annotations

import re
from itertools import pairwise, product
from typing import NamedTuple, Protocol

from servers.workspace.guard.parameters import expand as expand_parameter
from servers.workspace.guard.verdict import Unclear

MOST_WORDS = 64
MOST_BRACES = 24
DEEPEST = 16
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "", "b": "", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}
ANSI = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|[0-7]{1,3}|c.|.)", re.DOTALL)
NAME = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
RANGE = re.compile(r"(-?\d+|[A-Za-z])\.\.(-?\d+|[A-Za-z])(\.\.-?\d+)?")
MANY = re.compile(r'"\$(?:@|\{@\}|\{\w+\[@\]\})"')
SPECIAL = re.compile(r"[\\'\"$`~{<>]")


class Piece(NamedTuple):
    """A part of a word; one that is not quoted may fall apart at blanks."""

    text: str
    splits: bool = False


class Scope(Protocol):
    """What a word is expanded in."""

    def variable(self, name: str) -> str: ...
    def assign(self, name: str, value: str) -> None: ...
    def is_set(self, name: str) -> bool: ...
    def substitute(self, raw: str, at: int) -> tuple[str, int]: ...
    def home(self) -> str: ...


def unescape(text: str) -> str:
    """What `$'…'`, `echo -e` and `printf` make of backslashes; marks cannot be made."""

    def one(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "xuU" and len(code) > 1:
            return _char(int(code[1:], 16), wide=code[0] != "x")
        if code[0].isdigit():
            return _char(int(code, 8))
        return ESCAPES.get(code[0], code[-1] if code[0] in "\\'\"?" else found[0])

    return ANSI.sub(one, text)


def _char(code: int, wide: bool = False) -> str:
    if code < 9 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return "?"
    # source is latin-1 here, so what is wider comes as the bytes of its UTF-8
    return chr(code).encode().decode("latin-1") if wide and code > 127 else chr(code & 0xFF if not wide else code)


class Expander:
    """Expands words in a scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._depth = 0

    def fields(self, raw: str, at: int) -> list[str]:
        """The words that one word becomes; `at` is its offset in the source."""
        if not SPECIAL.search(raw):
            return [raw]
        if MANY.fullmatch(raw):
            raw, at = raw.strip('"'), at + 1 if raw[0] == '"' else at
        found: list[str] = []
        for word in braces(raw) if 0 < raw.count("{") <= MOST_BRACES else [raw]:
            found += split(self._pieces(word, at if word is raw else -1))
        return found[:MOST_WORDS]

    def text(self, raw: str, at: int) -> str:
        """The word as one, as on the right of an assignment."""
        return "".join(piece.text for piece in self._pieces(raw, at))

    def quoted(self, raw: str, at: int) -> str:
        """What stands between double quotes, or in a here-document."""
        pieces: list[Piece] = []
        self._double(raw, 0, len(raw), at, pieces, heredoc=True)
        return "".join(piece.text for piece in pieces)

    def _pieces(self, raw: str, at: int) -> list[Piece]:
        pieces: list[Piece] = []
        index = self._tilde(raw, pieces)
        while index < len(raw):
            char = raw[index]
            match char:
                case "\\":
                    pieces.append(Piece("" if raw[index + 1 : index + 2] == "\n" else raw[index + 1 : index + 2]))
                    index += 2
                case "'":
                    index = _until(raw, index + 1, "'", pieces)
                case '"':
                    index = self._double(raw, index + 1, len(raw), at, pieces)
                case "$" | "`" | "<" | ">":
                    index = self._dollar(raw, index, at, pieces, quoted=False)
                case _:
                    end = index + 1
                    while end < len(raw) and raw[end] not in "\\'\"$`<>":
                        end += 1
                    pieces.append(Piece(raw[index:end]))
                    index = end
        return pieces

    def _tilde(self, raw: str, pieces: list[Piece]) -> int:
        if not raw.startswith("~"):
            return 0
        name = re.match(r"~([\w.+-]*)(?=/|:|$)", raw)
        if name is None:
            return 0
        special = {"": self._scope.home(), "+": self._scope.variable("PWD"), "-": self._scope.variable("OLDPWD")}
        pieces.append(Piece(special.get(name[1], f"/home/{name[1]}")))
        return name.end()

    def _double(self, raw: str, index: int, end: int, at: int, pieces: list[Piece], heredoc: bool = False) -> int:
        pieces.append(Piece(""))
        while index < end:
            char = raw[index]
            if char == '"' and not heredoc:
                return index + 1
            if char == "\\" and raw[index + 1 : index + 2] in ('"', "\\", "$", "`", "\n"):
                pieces.append(Piece("" if raw[index + 1] == "\n" else raw[index + 1]))
                index += 2
            elif char in "$`":
                index = self._dollar(raw, index, at, pieces, quoted=True)
            else:
                start = index
                index += 1
                while index < end and raw[index] not in '"\\$`':
                    index += 1
                pieces.append(Piece(raw[start:index]))
        return index

    def _dollar(self, raw: str, index: int, at: int, pieces: list[Piece], quoted: bool) -> int:
        """What begins at a dollar sign, a backtick or an angle bracket; the index behind it."""
        two = raw[index : index + 2]
        if two in ("$(", "<(", ">(", "$[") or raw[index] == "`":
            value, length = self._scope.substitute(raw[index:], at + index if at >= 0 else -1)
            pieces.append(Piece(value.rstrip("\n"), not quoted and raw[index] in "$`"))
            return index + length
        if two == "${":
            end = closing(raw, index + 2)
            value = expand_parameter(raw[index + 2 : end], self._scope, self._inner)
            pieces.append(self._piece(value, quoted))
            return end + 1
        if two == "$'" and not quoted:
            end = index + 2
            while end < len(raw) and raw[end] != "'":
                end += 2 if raw[end] == "\\" else 1
            pieces.append(Piece(unescape(raw[index + 2 : end])))
            return end + 1
        if two == '$"' and not quoted:
            return index + 1
        name = NAME.match(raw, index + 1) if raw[index] == "$" else None
        if name is None:
            pieces.append(Piece(raw[index]))
            return index + 1
        pieces.append(self._piece(self._scope.variable(name[0]), quoted))
        return name.end()

    def _piece(self, value: str, quoted: bool) -> Piece:
        """The value of a variable; one that is not quoted falls apart at what IFS says."""
        if quoted:
            return Piece(value)
        separators = self._scope.variable("IFS").strip()
        return Piece(re.sub(f"[{re.escape(separators)}]", " ", value) if separators else value, True)

    def _inner(self, raw: str) -> str:
        """A word within `${…}`."""
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise Unclear("Its expansions are nested too deeply. Write a script.")
            return self.text(raw, -1)
        finally:
            self._depth -= 1


def split(pieces: list[Piece]) -> list[str]:
    """Words out of pieces: what is not quoted falls apart at blanks."""
    words: list[str] = []
    current: str | None = None
    for piece in pieces:
        if not piece.splits:
            current = (current or "") + piece.text
            continue
        parts = piece.text.split()
        if not parts:
            if piece.text and current is not None:
                words.append(current)
                current = None
            continue
        if piece.text[0].isspace() and current is not None:
            words.append(current)
            current = None
        words += [(current or "") + parts[0], *parts[1:]] if len(parts) > 1 else []
        current = words.pop() if len(parts) > 1 else (current or "") + parts[0]
        if piece.text[-1].isspace():
            words.append(current)
            current = None
    return words if current is None else [*words, current]


def closing(raw: str, index: int) -> int:
    """The index of the brace that closes `${`, or the end."""
    depth = 1
    while index < len(raw):
        char = raw[index]
        if char == "\\":
            index += 1
        elif char == "'":
            index = max(raw.find("'", index + 1), index)
        elif char == "{" and raw[index - 1] == "$":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    return len(raw)


def _until(raw: str, index: int, char: str, pieces: list[Piece]) -> int:
    end = raw.find(char, index)
    end = len(raw) if end < 0 else end
    pieces.append(Piece(raw[index:end]))
    return end + 1


def braces(raw: str) -> list[str]:
    """Brace expansion, on the source of a word."""
    parts: list[list[str]] = []
    index = start = 0
    while index < len(raw):
        char = raw[index]
        if char in "\\'\"`" or raw.startswith("$", index):
            index = _skip(raw, index)
            continue
        if char == "{" and (found := _alternatives(raw, index)):
            choices, end = found
            parts += [[raw[start:index]], choices]
            index = start = end
            continue
        index += 1
    if not parts:
        return [raw]
    parts.append([raw[start:]])
    size = 1
    for part in parts:
        size *= len(part)
    if size > MOST_WORDS:
        parts = [part[:2] for part in parts[:12]]
    return ["".join(choice) for choice in product(*parts)][:MOST_WORDS]


def _skip(raw: str, index: int) -> int:
    """Behind what is quoted, escaped or substituted at `index`."""
    char = raw[index]
    if char == "\\":
        return index + 2
    if raw.startswith("${", index):
        return closing(raw, index + 2) + 1
    if raw.startswith("$(", index):
        return paren(raw, index + 2) + 1
    if char == "$":
        return index + 1
    end = raw.find(char, index + 1)
    return len(raw) if end < 0 else end + 1


def paren(raw: str, index: int) -> int:
    """The index of the parenthesis that closes `$(`, or the end."""
    depth = 1
    while index < len(raw):
        char = raw[index]
        if char == "\\":
            index += 1
        elif char in "'\"`":
            end = raw.find(char, index + 1)
            index = end if end > 0 else len(raw)
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    return len(raw)


def _alternatives(raw: str, index: int) -> tuple[list[str], int] | None:
    """The choices of the brace at `index`, and the index behind it."""
    depth, commas, position = 0, [index], index
    while position < len(raw):
        char = raw[position]
        if char in "\\'\"`$":
            position = _skip(raw, position)
            continue
        if char == "{":
            depth += 1
        elif char == "," and depth == 1:
            commas.append(position)
        elif char == "}":
            depth -= 1
            if depth == 0:
                break
        position += 1
    else:
        return None
    if len(commas) == 1:
        return _range(raw[index + 1 : position], position + 1)
    edges = [*commas, position]
    inner = [raw[a + 1 : b] for a, b in pairwise(edges)]
    return [word for part in inner[:MOST_WORDS] for word in braces(part)], position + 1


def _range(inner: str, end: int) -> tuple[list[str], int] | None:
    found = RANGE.fullmatch(inner)
    if found is None:
        return None
    return list(dict.fromkeys([found[1], found[2]])), end
