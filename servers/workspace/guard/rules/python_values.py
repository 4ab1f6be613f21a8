"""What expressions of Python are worth, as far as they are written out."""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
import re
from typing import TYPE_CHECKING

from servers.workspace.guard import marks

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell

DECODERS = re.compile(
    r"(base64\.\w*decode\w*|bytes\.fromhex|bytearray\.fromhex|codecs\.decode|binascii\.\w+|zlib\.decompress|.*\.fromhex)"
)
PASSING = re.compile(
    r"(str|bytes|repr|dict|list|tuple|json\.dumps|urllib\.parse\.\w+|shlex\.split|os\.fspath|(pathlib\.)?(Pure|Posix)*Path|os\.path\.\w+|vars)"
)
METHODS = (
    "decode",
    "encode",
    "read",
    "strip",
    "lower",
    "text",
    "read_text",
    "read_bytes",
    "format",
    "copy",
    "items",
    "readlines",
)
DEEPEST = 40


class Values:
    """Names and constants of a piece of code."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self.names: dict[str, str] = {}
        self._known: dict[str, list[str]] = {}
        self._depth = 0

    def assign(self, name: str, node: ast.expr) -> None:
        """`name = …`."""
        dotted = self.name(node)
        if dotted and not isinstance(node, ast.Constant):
            self.names[name] = dotted
        self._known[name] = self.words(node)

    def assign_all(self, target: ast.expr, node: ast.expr) -> None:
        """Every name in a target."""
        for part in ast.walk(target):
            if isinstance(part, ast.Name):
                self.assign(part.id, node)

    def name(self, node: ast.expr) -> str:
        """The dotted name of a function or module; empty if it has none."""
        match node:
            case ast.Name(id=name):
                return self.names.get(name, name)
            case ast.Attribute(value=value, attr=attribute):
                return f"{self.name(value)}.{attribute}"
            case ast.Call(func=function, args=[first, *rest]):
                called = self.name(function)
                text = "".join(self.words(first))
                if called in ("__import__", "importlib.import_module"):
                    return text
                if called == "getattr" and rest:
                    return f"{self.name(first)}.{''.join(self.words(rest[0]))}"
                return called if called.endswith(("Path", "socket", "Session", "Client")) else ""
            case ast.Subscript(value=value, slice=key):
                base = self.name(value).removesuffix(".__dict__")
                return f"{base}.{''.join(self.words(key))}" if base in ("__builtins__", "os", "builtins") else ""
            case _:
                return ""

    def words(self, node: ast.expr) -> list[str]:
        """The strings that an expression is, with marks for what is not known."""
        self._depth += 1
        try:
            return self._words(node) if self._depth < DEEPEST else [marks.OUTPUT]
        finally:
            self._depth -= 1

    def _words(self, node: ast.expr) -> list[str]:
        match node:
            case ast.Constant(value=value):
                return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)]
            case ast.Name(id=name):
                return self._known.get(name, [])
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return [word for item in items for word in self.words(item) or [marks.OUTPUT]]
            case ast.Dict(keys=keys, values=values):
                return [w for item in [*keys, *values] if item is not None for w in self.words(item)]
            case ast.Starred(value=value) | ast.Await(value=value):
                return self.words(value)
            case ast.BinOp(left=left, op=op, right=right):
                return self._combined(left, op, right)
            case ast.JoinedStr(values=parts):
                return ["".join("".join(self.words(part)) or marks.OUTPUT for part in parts)]
            case ast.FormattedValue(value=value):
                return self.words(value)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                return self.words(element)
            case _:
                return []

    def _combined(self, left: ast.expr, op: ast.operator, right: ast.expr) -> list[str]:
        first, second = self.words(left), self.words(right)
        if isinstance(op, ast.Mod):
            return [re.sub(r"%[sdr]", lambda _: second.pop(0) if second else marks.OUTPUT, "".join(first))]
        if isinstance(op, ast.Div):
            return ["/".join([*first, *second])]
        if isinstance(left, ast.List) or isinstance(right, ast.List):
            return [*first, *second]
        return ["".join(first or [marks.OUTPUT]) + "".join(second or [marks.OUTPUT])]

    def _subscript(self, node: ast.Subscript) -> list[str]:
        if self.name(node.value) == "os.environ":
            return [self._variable("".join(self.words(node.slice)))]
        found = self.words(node.value)
        if isinstance(node.slice, ast.Slice) and isinstance(node.slice.step, ast.UnaryOp):
            return [text[::-1] for text in found]
        return found

    def _variable(self, name: str) -> str:
        if name == "HOME":
            return self._shell.home()
        return marks.SECRET if self._shell.place.is_secret_variable(name) else marks.VARIABLE

    def _attribute(self, node: ast.Attribute) -> list[str]:
        name = self.name(node)
        if name == "os.environ":
            return [marks.SECRET]
        return [word for word in self.words(node.value) if marks.unknown(word)]

    def _call(self, node: ast.Call) -> list[str]:
        name = self.name(node.func)
        given = [word for argument in node.args for word in self.words(argument)]
        receiver = self.words(node.func.value) if isinstance(node.func, ast.Attribute) else []
        last = name.rpartition(".")[2] or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
        if DECODERS.fullmatch(name):
            return [_decoded(name, given)]
        if name in ("os.getenv", "os.environ.get", "os.environ.pop"):
            return [self._variable(given[0])] if given else [marks.SECRET]
        if name in ("open", "io.open"):
            return [marks.BULK]
        if re.match(r"(requests|httpx|urllib|aiohttp)\b|urlopen", name):
            return [marks.NETWORK]
        if name == "chr" and given and given[0].isdigit():
            return [chr(min(int(given[0]), 0x10FFFF))]
        if last == "join" and isinstance(node.func, ast.Attribute):
            return ["/".join(given) if name == "os.path.join" else "".join(receiver).join(given)]
        if last in ("home",) and name.endswith("Path.home"):
            return [self._shell.home()]
        if name in ("pathlib.Path.cwd", "Path.cwd", "os.getcwd"):
            return [self._shell.cwd or marks.OUTPUT]
        if last == "replace" and len(given) == 2:
            return [text.replace(given[0], given[1]) for text in receiver]
        if last in ("read_text", "read_bytes"):
            return [marks.BULK]
        if last == "expanduser":
            return given or receiver
        return given if PASSING.fullmatch(name) else receiver if last in METHODS else _marked([*given, *receiver])


def _marked(words: list[str]) -> list[str]:
    return [found] if (found := marks.of("".join(words))) else []


def _decoded(name: str, given: list[str]) -> str:
    """Text out of a decoder; what is run of it must not be hidden."""
    if not given or marks.unknown(given[0]):
        return marks.DECODED + (marks.of(given[0]) if given else "")
    try:
        if "hex" in name or "unhexlify" in name or "hex" in given[1:]:
            return bytes.fromhex(given[0]).decode("utf-8", "replace") + marks.DECODED
        if "codecs" in name:
            return codecs.decode(given[0], "rot13") + marks.DECODED
        return base64.b64decode(given[0] + "===").decode("utf-8", "replace") + marks.DECODED
    except (ValueError, binascii.Error, LookupError):
        return marks.DECODED
