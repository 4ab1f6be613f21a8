"""Commands run within bounds, and nothing of them is left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from servers.kit.errors import InvalidInput, Unavailable
from servers.workspace.commands import CommandResult, Shell
from tests.fixtures_waiting import Eventually
from tests.workspace.outside import running_in


async def ran(shell: Shell, command: str, timeout: float = 20) -> CommandResult:
    return await shell.run(command, timeout)


async def test_a_command_answers_its_streams_and_code(shell: Shell, root: Path) -> None:
    result = await ran(shell, "echo out; echo err >&2; pwd; exit 3")
    assert (result.exit_code, result.stdout, result.stderr) == (3, f"out\n{root}\n", "err\n")
    assert not result.truncated
    assert not result.timed_out


async def test_a_command_sees_a_clean_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASH_ENV", "/etc/passwd")
    result = await ran(shell, "env; git config --list --show-origin; cat")
    names = {line.partition("=")[0] for line in result.stdout.splitlines()}
    assert {"PATH", "HOME", "TMPDIR", "STACK"} <= names
    assert "BASH_ENV" not in names


async def test_a_signal_shows_in_the_exit_code(shell: Shell) -> None:
    assert (await ran(shell, "kill -TERM $$")).exit_code == 143


async def test_the_timeout_ends_the_whole_group(shell: Shell, root: Path, eventually: Eventually) -> None:
    command = "trap '' TERM; (sleep 60; touch late) & echo started; sleep 60"
    result = await ran(shell, command, timeout=0.5)
    assert (result.exit_code, result.timed_out, result.stdout) == (124, True, "started\n")
    assert result.seconds < 5
    await eventually(lambda: not running_in(root))


async def test_a_long_stream_keeps_head_and_tail(shell: Shell) -> None:
    result = await ran(shell, "echo first; seq 1 200000; echo last; seq 1 10 >&2")
    assert result.truncated
    assert result.stdout.startswith("first\n1\n2\n")
    assert result.stdout.endswith("200000\nlast\n")
    assert "bytes left out" in result.stdout
    assert len(result.stdout) < 70_000
    assert result.stderr == "".join(f"{n}\n" for n in range(1, 11))


async def test_a_flood_is_read_without_keeping_it(shell: Shell) -> None:
    result = await ran(shell, "timeout 2 cat /dev/zero", timeout=1)
    assert result.timed_out
    assert len(result.stdout) < 70_000
    assert "\0" not in result.stdout


async def test_output_that_is_no_text_is_shown_as_far_as_it_goes(shell: Shell) -> None:
    assert (
        await ran(shell, r"printf 'caf\xe9\0'")
    ).stdout == "caf\N{REPLACEMENT CHARACTER}" * 1 + "\N{REPLACEMENT CHARACTER}"


async def test_a_cancelled_command_is_ended(shell: Shell, root: Path, eventually: Eventually) -> None:
    task = asyncio.create_task(ran(shell, "touch started; sleep 60"))
    await eventually((root / "started").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: not running_in(root))


async def test_a_command_that_is_cancelled_while_it_starts_is_ended(
    shell: Shell, root: Path, eventually: Eventually
) -> None:
    for number in range(12):
        task = asyncio.create_task(ran(shell, f"touch {number}; sleep 60"))
        if number % 2:  # the loop is slower than the command
            while not (root / str(number)).exists() and not task.done():
                time.sleep(0.002)  # noqa: ASYNC251 - which is what is tested
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(0.003 * number)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await eventually(lambda: not running_in(root))


async def test_no_file_descriptor_is_left(shell: Shell) -> None:
    await ran(shell, "true")
    before = open_descriptors()
    for _ in range(20):
        await ran(shell, "true")
    await asyncio.sleep(0)
    assert open_descriptors() <= before + 1


async def test_commands_run_side_by_side(shell: Shell) -> None:
    began = time.monotonic()
    results = await asyncio.gather(*(ran(shell, f"sleep 1; echo {n}") for n in range(12)))
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(12)]
    assert time.monotonic() - began < 10


async def test_what_cannot_be_started_is_said(root: Path, shell: Shell) -> None:
    with pytest.raises(InvalidInput):
        await ran(shell, "echo \0")
    with pytest.raises((InvalidInput, Unavailable)):
        await ran(shell, f"true {'x' * 200_000}")
    await asyncio.to_thread(root.rmdir)
    with pytest.raises((InvalidInput, Unavailable)):
        await ran(shell, "true")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
