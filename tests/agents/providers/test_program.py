"""A program ends with whoever started it, and whatever it writes is read within bounds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from agents.providers.program import running, split
from servers.kit.errors import Unavailable
from tests.fixtures_waiting import Eventually

FAMILY = "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); print('on', flush=True); time.sleep(600)"
AGENT = """
import asyncio, sys
from pathlib import Path
from agents.providers.program import running

async def main():
    place = Path(sys.argv[1])
    async with running([sys.executable, "-c", sys.argv[2]], place, {}, Path("/dev/null")) as program:
        async for line in program.lines():
            print(line.decode(), flush=True)

asyncio.run(main())
"""


def inside(folder: Path) -> list[int]:
    """The processes that work in a folder."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    file = tmp_path / "words"
    file.write_text("Grüße")
    return file


async def test_it_reads_its_words_and_sees_nothing_of_ours(
    tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_TOKEN", "secret")
    show = "import os, sys; print(sys.stdin.read()); print(sorted(os.environ)); sys.stderr.write('oh'); sys.exit(3)"
    async with running([sys.executable, "-c", show], tmp_path / "work", {"OWN": "1"}, words) as program:
        said = [line.decode() async for line in program.lines()]
        assert await program.ended() == 3
    assert said[0] == "Grüße"
    assert "OWN" in said[1]
    assert "RIG_TOKEN" not in said[1]
    assert program.complaint == "oh"


async def test_all_that_it_started_ends_with_the_block(tmp_path: Path, words: Path, eventually: Eventually) -> None:
    async with running([sys.executable, "-c", FAMILY], tmp_path / "work", {}, words) as program:
        assert await anext(program.lines()) == b"on"
        assert len(inside(tmp_path / "work")) >= 3
    await eventually(lambda: inside(tmp_path / "work") == [])


async def test_all_that_it_started_ends_when_the_agent_is_killed(
    tmp_path: Path, words: Path, eventually: Eventually
) -> None:
    work = tmp_path / "work"
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AGENT, str(work), FAMILY), stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout
    assert await agent.stdout.readline() == b"on\n"
    assert len(inside(work)) >= 3
    os.kill(agent.pid, signal.SIGKILL)
    await agent.wait()
    await eventually(lambda: inside(work) == [])


async def test_what_cannot_be_started_says_so(tmp_path: Path, words: Path) -> None:
    with pytest.raises(Unavailable, match="does not start"):
        async with running(["true"], tmp_path / "missing", {}, words):
            pass
    async with running(["no-such-program"], tmp_path / "work", {}, words) as program:
        assert await program.ended() == 127
        assert "no-such-program" in program.complaint


async def test_a_line_that_is_too_long_is_left_out() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"a\n" + b"x" * 50 + b"\nb\r\n\n" + b"y" * 11)
    stream.feed_eof()
    assert [line async for line in split(stream, longest=10)] == [b"a", b"b\r", b""]
