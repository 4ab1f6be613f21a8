"""A live rig under watch: its events as they come, and its end held to what was promised."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from rig.demo import follow, proof
from rig.demo.follow import Event
from rig.demo.stage import REPOSITORY, Stage, staged
from rig.demo.story import Tally
from servers.kit.client import tool_client

ISSUE = f"{REPOSITORY}#1"
PATIENCE = 120.0
SHOWN_LINES = 25


class Watch:
    """Everything that a staged rig did so far, and waiting for what it will do.

    Attributes:
        stage: The doubles and the rig.
        events: All events, in order.
        log: The rig's log, line by line, with its agents' lines.
        tally: What the events add up to.
    """

    def __init__(self, stage: Stage, log: list[str]) -> None:
        self.stage = stage
        self.events: list[Event] = []
        self.log = log
        self.tally = Tally()
        self._cursor = 0
        self._read = 0
        self._records: list[dict[str, Any]] = []
        self._came = asyncio.Condition()

    async def follow(self) -> None:
        """Take events in for ever, across restarts of the rig."""
        async with aclosing(follow.events(self.stage.url)) as events:
            async for event in events:
                async with self._came:
                    self.events.append(event)
                    self.tally.add(event)
                    self._came.notify_all()

    async def next(self, kind: str, /, within: float = PATIENCE, **data: Any) -> Event:
        """The next event of `kind` with this data behind the last one that was waited for."""

        def found() -> bool:
            return self._ahead(kind, data) is not None

        await self._until(found, f"another {kind} {data or ''}", within)
        position = self._ahead(kind, data)
        assert position is not None
        self._cursor = position + 1
        return self.events[position]

    async def find(self, kind: str, /, issue: str, within: float = PATIENCE, **data: Any) -> Event:
        """The first event of `kind` on `issue` with this data, whatever was waited for before."""

        def found() -> Event | None:
            fits = (e for e in self.events if (e["type"], e["issue"]) == (kind, issue))
            return next((e for e in fits if data.items() <= e["data"].items()), None)

        await self._until(lambda: found() is not None, f"{kind} {data or ''} on {issue}", within)
        event = found()
        assert event is not None
        return event

    async def logged(self, within: float = PATIENCE, **said: Any) -> None:
        """Wait until the rig or one of its agents logged a line with these fields."""
        async with asyncio.timeout(within):
            while True:
                if any(said.items() <= record.items() for record in self.records()):
                    return
                await asyncio.sleep(0.01)

    def records(self) -> list[dict[str, Any]]:
        """The log's lines that are records."""
        for line in self.log[self._read :]:
            with suppress(ValueError):
                self._records.append(json.loads(line))
        self._read = len(self.log)
        return self._records

    async def all_done(self, issues: Collection[str], within: float = PATIENCE) -> None:
        """Wait until all these issues are merged and closed."""
        await self._until(lambda: set(issues) <= set(self.tally.done), f"ISSUE_DONE of {issues}", within)

    async def done(self, within: float = PATIENCE) -> None:
        """Wait until the issue is merged and closed."""
        await self._until(lambda: ISSUE in self.tally.done or bool(self.tally.lost), "ISSUE_DONE", within)
        assert not self.tally.lost, self.story()

    async def ask(self, tool: str, **arguments: Any) -> Any:
        """Call a tool of the conductor as the person whose rig it is."""
        async with tool_client(f"{self.stage.url}/mcp/conductor", self.stage.token) as client:
            return await client.call(tool, arguments)

    async def fault_met(self, path: str, within: float = PATIENCE) -> None:
        """Wait until a request ran into the fault that was ordered for `path` on GitHub."""
        async with asyncio.timeout(within):
            while True:
                if any(one["hits"] for one in await self.faults() if one["path"] == path):
                    return
                await asyncio.sleep(0.05)

    async def faults(self) -> list[dict[str, Any]]:
        """The faults that were ordered on GitHub, with how many requests met each."""
        return (await self.stage.github.admin("GET", "/faults"))["faults"]

    async def comment(self, text: str, within: float = PATIENCE) -> str:
        """The comment on the issue that holds `text`, once it is there."""
        async with asyncio.timeout(within):
            while True:
                seen = (await self.stage.github.state())["repositories"][REPOSITORY]["issues"]["1"]
                for comment in seen["comments"]:
                    if text in comment["body"]:
                        return str(comment["body"])
                await asyncio.sleep(0.05)

    def kinds(self) -> list[str]:
        """The types of all events on issues, in order."""
        return [event["type"] for event in self.events if event["type"] != "TOKEN_USAGE"]

    def story(self) -> str:
        """What happened, for whoever reads a failure."""
        events = [f"{e['recorded_at'][11:23]} {e['type']} {e['actor']} {e['data']!s:.160}" for e in self.events]
        return "\n".join([*events, *self.log[-SHOWN_LINES:]])

    def pid(self, character: str) -> int | None:
        """The newest process of a character, as the rig's log names it."""
        for line in reversed(self.log):
            with suppress(ValueError):
                record: dict[str, Any] = json.loads(line)
                if record.get("event") == "agent started" and str(record["instance"]).startswith(character):
                    return int(record["pid"])
        return None

    def _ahead(self, kind: str, data: dict[str, Any]) -> int | None:
        for position in range(self._cursor, len(self.events)):
            event = self.events[position]
            if event["type"] == kind and data.items() <= event["data"].items():
                return position
        return None

    async def _until(self, condition: Callable[[], bool], what: str, within: float) -> None:
        try:
            async with asyncio.timeout(within), self._came:
                await self._came.wait_for(condition)
        except TimeoutError:
            said = "\n".join(await self.stage.model.complaints())
            raise AssertionError(f"no {what} within {within:g} s:\n{self.story()}\n{said}") from None


@asynccontextmanager
async def watched(*, agents: int = 1, **settings: str) -> AsyncGenerator[Watch]:
    """A rig of the demo under watch, with further environment variables of `rig up`.

    Memories are found by their words alone: each start would spend a second on loading a model.
    """
    log: list[str] = []
    async with staged(log.append, agents=agents, **{"RIG_MEMORY_EMBEDDER": "none"} | settings) as stage:
        watch = Watch(stage, log)
        following = asyncio.create_task(watch.follow())
        try:
            yield watch
        finally:
            following.cancel()


async def merged_once(watch: Watch) -> None:
    """The issue is done, and everywhere it happened exactly once."""
    await watch.done()
    counts = Counter(watch.kinds())
    assert (counts["ISSUE_APPROVED"], counts["PR_CREATED"]) == (1, 1), watch.story()
    assert (counts["MERGED"], counts["ISSUE_DONE"]) == (1, 1), watch.story()
    assert not watch.tally.overlaps
    await proof.prove(watch.stage.bare, watch.tally.merges[ISSUE])
    seen = (await watch.stage.github.state())["repositories"][REPOSITORY]
    issue, (pull,) = seen["issues"]["1"], seen["pulls"].values()
    assert (issue["state"], pull["state"], issue["comments"]) == ("closed", "merged", [])
    assert [review["state"] for review in pull["reviews"]] == ["CHANGES_REQUESTED", "APPROVED"], pull["reviews"]
    assert [thread["resolved"] for thread in pull["threads"]] == [True]
