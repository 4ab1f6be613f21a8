"""Directs the demo: start everything, file the issues as a person would, watch, and prove the end."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import time
from collections import Counter, deque
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from typing import Any, cast

from rig.demo import follow, proof
from rig.demo.screen import Lines, Screen, Terminal
from rig.demo.stage import USUAL, Stage, staged
from rig.demo.story import Tally
from servers.kit.errors import Conflict, RigError, TimedOut, Unavailable

LOG_SHOWN, LOG_KEPT = 25, 20_000


def main(*, issues: int, agents: int, keep: bool, as_json: bool, timeout: float, provider: str = USUAL) -> int:
    """Run the demo; 0 if everything is merged and proven, 130 if it was interrupted."""
    screen: Screen = Lines() if as_json else _terminal(issues)
    try:
        return asyncio.run(_interruptible(direct(screen, issues, agents, keep, timeout, provider)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


def _terminal(issues: int) -> Terminal:
    from rich.console import Console

    return Terminal(Console(highlight=False), issues)


async def _interruptible(playing: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await playing


async def direct(screen: Screen, issues: int, agents: int, keep: bool, timeout: float, provider: str = USUAL) -> int:
    """Play the demo on `screen`."""
    began = time.monotonic()
    screen.starting()
    log: deque[str] = deque(maxlen=LOG_KEPT)

    def heard(line: str) -> None:
        log.append(line)
        _show_step(screen, line)

    code = 0
    try:
        async with staged(heard, agents=agents, provider=provider) as stage:
            screen.ready(stage.url, str(stage.folder))
            try:
                await _play(stage, screen, issues, timeout, began)
            except RigError as error:
                code = 1
                complaints = await stage.model.complaints()
                screen.failed(str(error), [*_tail(log), *complaints], _write(log))
            if keep:
                screen.kept(stage.url, str(stage.rig.said["token_file"]))
                await _told_to_end()
            _end_undisturbed()
            screen.ending()
    except RigError as error:
        code = 1
        screen.failed(str(error), _tail(log), _write(log))
    return code


async def _told_to_end() -> None:
    """Wait for the signal that ends a demo which has its result already."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if task := asyncio.current_task():
            task.uncancel()


def _end_undisturbed() -> None:
    """The result is known and ending takes seconds: a signal must neither change the one nor cut the other."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, lambda: None)


def _tail(log: Iterable[str]) -> list[str]:
    return [_plain(line) for line in log][-LOG_SHOWN:]


def _write(log: Iterable[str]) -> str:
    """Keep the whole log of a failed demo; the file's path."""
    with tempfile.NamedTemporaryFile("w", prefix="rig-demo-", suffix=".log", delete=False) as file:
        file.writelines(f"{line}\n" for line in log)
    return file.name


async def _play(stage: Stage, screen: Screen, issues: int, timeout: float, began: float) -> None:
    """File the issues, watch until all are merged, and prove it.

    Raises:
        TimedOut, Conflict, Unavailable: It did not end well.
    """
    tally = Tally()
    try:
        async with asyncio.timeout(timeout):
            watching = asyncio.create_task(_watch(stage, screen, tally, issues))
            ended = asyncio.create_task(stage.rig.ended())
            try:
                await asyncio.gather(*(stage.file_issue(number) for number in range(issues)))
                await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not watching.done():
                    raise Unavailable("`rig up` ended in the middle of the demo.")
                await watching
            finally:
                watching.cancel()
                ended.cancel()
    except TimeoutError as error:
        raise TimedOut(f"Not merged after {timeout:g} s; {len(tally.done)} of {issues} are.") from error
    seconds = time.monotonic() - began
    screen.merged(tally, await _prove(stage, tally), seconds)


async def _watch(stage: Stage, screen: Screen, tally: Tally, issues: int) -> None:
    async with aclosing(follow.events(stage.url)) as events:
        async for event in events:
            tally.add(event)
            screen.event(event)
            if tally.lost:
                raise Conflict("; ".join(f"{issue}: {why}" for issue, why in tally.lost.items()))
            if len(tally.done) == issues:
                return


async def _prove(stage: Stage, tally: Tally) -> list[proof.Commit]:
    if tally.overlaps:
        raise Conflict("; ".join(tally.overlaps))
    merged = [sha for shas in tally.merges.values() for sha in shas]
    return await proof.prove(stage.bare, merged)


def _record(line: str) -> dict[str, Any] | None:
    """A line of the rig's log, if it is one."""
    try:
        record: Any = json.loads(line)
    except ValueError:
        return None
    return cast(dict[str, Any], record) if isinstance(record, dict) else None


def _show_step(screen: Screen, line: str) -> None:
    """Show what an agent says in its log that it is doing."""
    record = _record(line)
    if record is None:
        return
    match record.get("event"):
        case "step":
            screen.step(str(record.get("issue")), str(record.get("step")))
        case "the model answered":
            counts = Counter(str(name).rpartition("__")[2] for name in record.get("tools", []))
            called = ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.items())
            screen.step(str(record.get("issue")), called)
        case _:
            pass


def _plain(line: str) -> str:
    """A line of the log as a person wants to read it: an exception by its last line."""
    record = _record(line)
    if record is None:
        return line
    rest = {k: v for k, v in record.items() if k not in ("event", "level", "logger", "timestamp", "exception")}
    why = str(record.get("exception", "")).strip().splitlines()[-1:]
    more = ", ".join([*(f"{name} {value}" for name, value in rest.items()), *why])
    said = " / ".join(part.strip(" |+-") for part in str(record.get("event", "")).strip().splitlines()[-3:])
    return f"{record.get('level', '')}: {said} {more}"[:500]
