"""Directs the demo: start everything, file the issues as a person would, watch, and prove the end."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import aclosing

from rig.demo import follow, proof
from rig.demo.screen import Lines, Screen, Terminal
from rig.demo.stage import Stage, staged
from rig.demo.story import Tally
from servers.kit.errors import Conflict, RigError, TimedOut, Unavailable

LOG_TAIL = 25


def main(*, issues: int, agents: int, keep: bool, as_json: bool, timeout: float) -> int:
    """Run the demo; 0 if everything is merged and proven, 130 if it was interrupted."""
    screen: Screen = Lines() if as_json else _terminal(issues)
    try:
        return asyncio.run(_interruptible(screen, issues, agents, keep, timeout))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


def _terminal(issues: int) -> Terminal:
    from rich.console import Console

    return Terminal(Console(highlight=False), issues)


async def _interruptible(screen: Screen, issues: int, agents: int, keep: bool, timeout: float) -> int:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await direct(screen, issues, agents, keep, timeout)


async def direct(screen: Screen, issues: int, agents: int, keep: bool, timeout: float) -> int:
    """Play the demo on `screen`."""
    screen.starting()
    log: list[str] = []

    def heard(line: str) -> None:
        log.append(line)
        del log[:-LOG_TAIL]
        _show_step(screen, line)

    code = 0
    try:
        async with staged(heard, agents=agents) as stage:
            screen.ready(stage.url, str(stage.folder))
            try:
                await _play(stage, screen, issues, timeout)
            except RigError as error:
                code = 1
                screen.failed(str(error), [*log, *await stage.model.complaints()])
            if keep:
                screen.kept(stage.url)
                await asyncio.Event().wait()
    except RigError as error:
        code = 1
        screen.failed(str(error), log)
    return code


async def _play(stage: Stage, screen: Screen, issues: int, timeout: float) -> None:
    """File the issues, watch until all are merged, and prove it.

    Raises:
        TimedOut, Conflict, Unavailable: It did not end well.
    """
    began = time.monotonic()
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


def _show_step(screen: Screen, line: str) -> None:
    """Show what an agent says in its log that it is doing."""
    try:
        record = json.loads(line)
    except ValueError:
        return
    if isinstance(record, dict) and "step" in record and "instance" in record:
        screen.step(str(record["instance"]), str(record["step"]))
