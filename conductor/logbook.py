"""What agents say while they work, line by line: kept for some weeks, and followed live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from conductor.desk import DeskDep
from conductor.store.connection import connection_of
from conductor.text import Storable
from conductor.toolbox import IssueArg, Short, tools
from servers.kit.database import Pool, load_queries
from servers.kit.logs import redact
from servers.kit.tools import READ

SQL = load_queries(Path(__file__).with_name("logbook.sql"))
LINES: Final = "log"  # the topic on which new lines are announced
LONGEST_AGO = 24 * 3600.0


class LogLine(BaseModel):
    """What an agent said while it worked."""

    id: int
    agent: str
    run: str
    issue: str
    text: str
    step: bool = Field(default=False, description="Whether it names a step that begins")
    at: datetime


class SaidLine(BaseModel):
    """A line as an agent sends it."""

    model_config = ConfigDict(extra="ignore")

    text: Storable = Field(max_length=4000)
    step: bool = False
    ago: float = Field(default=0, ge=0, le=LONGEST_AGO, description="So many seconds ago")
    number: int | None = Field(default=None, ge=0, lt=2**63, description="Grows along a run; once each")


class LogData(BaseModel):
    """Lines of one run; of a plain text, it was said just now."""

    model_config = ConfigDict(extra="ignore")

    run: str = Field(default="", max_length=100)
    lines: list[Annotated[Storable, Field(max_length=4000)] | SaidLine] = Field(min_length=1, max_length=500)


@tools.tool(READ, listed=False)
async def list_log(
    desk: DeskDep,
    after: Annotated[int, Field(ge=0, description="Only lines behind this one")] = 0,
    issue: IssueArg | None = None,
    agent: Short | None = None,
    run: Short | None = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 200,
) -> list[LogLine]:
    """What agents said while they worked, oldest first: of an issue, an agent or a run, or of all."""
    return await read(desk.pool, after, issue, agent, run, limit)


async def write(pool: Pool, agent: str, issue: str, said: LogData) -> None:
    """Keep what an agent says while it works, without what looks like a credential."""
    lines = [line if isinstance(line, SaidLine) else SaidLine(text=line) for line in said.lines]
    columns = zip(*((redact(line.text), line.step, line.ago, line.number) for line in lines), strict=True)
    async with connection_of(pool) as connection:
        await connection.execute(SQL["write"], agent, said.run, issue, *columns)


async def read(
    pool: Pool,
    after: int,
    issue: str | None = None,
    agent: str | None = None,
    run: str | None = None,
    limit: int = 200,
) -> list[LogLine]:
    """What was said behind line `after`, oldest first."""
    async with connection_of(pool) as connection:
        return _lines(await connection.fetch(SQL["read"], after, issue, agent, run, limit))


async def newest(pool: Pool, limit: int) -> list[LogLine]:
    """The last lines of all, oldest first."""
    async with connection_of(pool) as connection:
        return _lines(await connection.fetch(SQL["newest"], limit))


async def last(pool: Pool) -> int:
    """The number of the last line."""
    async with connection_of(pool) as connection:
        return await connection.fetchval(SQL["last"])


def _lines(rows: Sequence[object]) -> list[LogLine]:
    return [LogLine.model_validate(dict(row.items())) for row in rows]  # type: ignore[attr-defined]
