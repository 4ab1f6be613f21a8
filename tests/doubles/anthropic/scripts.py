"""Small scripts for the tests of the double."""

from __future__ import annotations

from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, Turn, UnexpectedInput, replay, say, use

LONG = "A line of a file that is longer than one chunk.\n" * 3


def play(request: MessagesRequest) -> Turn:
    return replay(request, copies())


def copies() -> Play:
    """Read two files at once, write what they hold, stop."""
    read = yield say("I read two files.", use("read_file", path="a"), use("read_file", path="b"))
    text = "".join(result.ok() for result in read)
    if "secret" in text:
        raise UnexpectedInput("files without a secret", text)
    written = yield say("", use("write_file", path="c", content=text + LONG))
    yield say(f"Done: {written.only.ok()}")


def words(request: MessagesRequest) -> Turn:
    return Turn(f"You said {len(request.opening)} characters.")
