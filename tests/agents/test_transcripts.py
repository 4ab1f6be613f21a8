"""Transcripts are packed small and clean, and a bad one is none."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from typing import Any

import pytest

from agents.transcripts import LARGEST, LARGEST_MEANWHILE, AtConductor, Keeping, Kept, NoTranscripts, pack, unpack
from servers.kit.errors import Fenced

KEPT = Kept(session="s", lines='{"role": "user", "content": "é \u2028 <b>"}\n[1, null, true]')


def test_what_is_packed_comes_back() -> None:
    packed = pack(KEPT, 2)
    assert packed
    found = unpack(packed, 2)
    assert found
    assert [json.loads(line) for line in found.lines.split("\n")] == [json.loads(x) for x in KEPT.lines.split("\n")]


def test_another_attempt_begins_afresh() -> None:
    assert unpack(pack(KEPT, 1) or "", 2) is None


def test_credentials_are_not_kept_nor_is_what_is_no_json() -> None:
    said = json.dumps({"text": "the key is sk-ant-abcdefghijkl, take it", "n": 1})
    found = unpack(pack(Kept(session="", lines=f"{said}\nnot json\n"), 1) or "", 1)
    assert found
    assert json.loads(found.lines) == {"text": "the key is [redacted], take it", "n": 1}


def test_what_is_too_long_is_not_kept() -> None:
    assert pack(Kept(session="", lines=" " * (LARGEST + 1)), 1) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no base64!",
        base64.b64encode(b"no zlib").decode(),
        base64.b64encode(zlib.compress(b"no json")).decode(),
        base64.b64encode(zlib.compress(b"[]")).decode(),
        base64.b64encode(zlib.compress(b'{"format": 1, "attempt": 1}')).decode(),
        base64.b64encode(zlib.compress(b'{"format": 9, "attempt": 1, "session": "", "lines": ""}')).decode(),
        (pack(KEPT, 1) or "")[:-40],
        base64.b64encode(zlib.compress(b" " * 200_000_000)).decode(),
    ],
)
def test_a_damaged_one_is_none(content: str) -> None:
    assert unpack(content, 1) is None


async def test_a_conductor_that_refuses_is_no_error() -> None:
    async def refuse(tool: str, **arguments: Any) -> Any:
        raise Fenced(f"{tool} is over.")

    transcripts = AtConductor(refuse, 1)
    assert await transcripts.find("anthropic") is None
    await transcripts.keep("anthropic", KEPT)


async def test_it_is_kept_while_it_goes_on_but_not_all_the_time() -> None:
    now, said, shelf = [0.0], [""], list[str]()

    class Shelf(NoTranscripts):
        async def keep(self, provider: str, kept: Kept) -> None:
            shelf.append(kept.lines)
            now[0] += 3.0  # it takes long

    keeping = Keeping(Shelf(), "anthropic", lambda: Kept(session="", lines=said[0]), 20, lambda: now[0])
    for words, at in (("a", 0.0), ("b", 50.0), ("c", 62.9), ("d", 63.0)):
        said[0], now[0] = words, max(now[0], at)
        for _ in range(3):
            keeping.offer()
            await asyncio.sleep(0)
    assert shelf == ["a", "d"]
    said[0], now[0] = "e" * (LARGEST_MEANWHILE + 1), 1000
    keeping.offer()
    await asyncio.sleep(0)
    assert len(shelf) == 2
    await keeping.close()
    assert shelf == ["a", "d", said[0]]
