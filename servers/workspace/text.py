"""How files' bytes become text for a model and back, line endings kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from servers.kit.errors import InvalidInput, NotFound

MAX_READ_BYTES = 256 * 1024
SNIFFED_BYTES = 8192


def is_binary(head: bytes) -> bool:
    """Whether the first bytes of a file are not text."""
    return b"\0" in head[:SNIFFED_BYTES]


def is_text(text: str) -> bool:
    """Whether the text can be written as UTF-8: JSON may carry half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def shown(data: bytes) -> str:
    """Bytes as text that any JSON reader takes."""
    return data.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def numbered(file: BinaryIO, path: str, start: int, end: int | None) -> str:
    """The lines `start` to `end` of a file with their numbers, at most MAX_READ_BYTES of them."""
    lines, left, number = list[str](), MAX_READ_BYTES, 0
    for number, line in enumerate(_lines(file), 1):
        if number < start:
            continue
        if end is not None and number > end:
            return "\n".join([*lines, f"[{path} goes on; read it from start_line={number}]"])
        if len(line) > left:
            return "\n".join([*lines, *_cut(path, number, line, left, lines)])
        lines.append(f"{number:6}\t{shown(line).rstrip(chr(10)).rstrip(chr(13))}")
        left -= len(line)
    if number < start:
        return f"[{path} is empty]" if number == 0 else f"[{path} has only {number} lines]"
    return "\n".join(lines)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    # A line is read no further than can be shown; what remains of it is skipped without keeping it.
    while line := file.readline(MAX_READ_BYTES + 1):
        yield line
        while len(line) > MAX_READ_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_READ_BYTES + 1)


def _cut(path: str, number: int, line: bytes, left: int, lines: list[str]) -> list[str]:
    if lines:
        return [f"[{path} goes on; read it from start_line={number}]"]
    rest = f"see the rest with cut -c in run_command, the next line with start_line={number + 1}"
    return [f"{number:6}\t{shown(line[:left])}", f"[line {number} of {path} is longer than this; {rest}]"]


def replaced(data: bytes, path: str, old: str, new: str, every: bool) -> tuple[bytes, list[int]]:
    """`data` with `old` replaced by `new`, and the lines where; line ends match whichever kind the file has.

    Raises:
        NotFound: `old` does not occur.
        InvalidInput: It occurs more than once and not `every` occurrence is meant.
    """
    pattern = re.compile(rb"\r?\n".join(re.escape(p.encode()) for p in _unix(old).split("\n")))
    found = [match.start() for match in islice(pattern.finditer(data), 10_000)]
    places = [data.count(b"\n", 0, at) + 1 for at in found[:20]]
    if not found:
        raise NotFound(f"old does not occur in {path}. {_hint(data, old)}")
    if len(found) > 1 and not every:
        listed = ", ".join(map(str, places)) + (", …" if len(found) > len(places) else "")
        raise InvalidInput(
            f"old occurs {len(found)} times in {path} (lines {listed})."
            " Give more of the text around it, or set replace_all."
        )
    substitute = with_ends_of(data, new)
    return pattern.sub(lambda _: substitute, data), places


def with_ends_of(data: bytes, text: str) -> bytes:
    """`text` with the line ends that most lines of `data` have; as it is where `data` has none."""
    if b"\n" not in data:
        return text.encode()
    windows = data.count(b"\r\n") * 2 > data.count(b"\n")
    return _unix(text).replace("\n", "\r\n" if windows else "\n").encode()


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")


def _hint(data: bytes, old: str) -> str:
    first = next((line.strip() for line in old.splitlines() if line.strip()), "")
    near = [n for n, line in enumerate(data.splitlines(), 1) if first and line.strip() == first.encode()]
    if near:
        listed = ", ".join(map(str, near[:10]))
        return f"Its first line is like line {listed}, but the indentation or what follows differs: read it again."
    return "Read the file again and copy the text exactly, without line numbers."
