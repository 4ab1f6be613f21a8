"""When something is due by the clock: cron's five fields, in a time zone, with its daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, field_validator

FIELDS = "minute hour day-of-month month day-of-week"
NEVER = datetime(2026, 1, 1, tzinfo=UTC)


class CronPrompt(BaseModel):
    """Something that a character is asked to do by the clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str = Field(max_length=200, description=f"Cron's five fields ({FIELDS}), such as 0 7 * * 1")
    prompt: str = Field(min_length=1, max_length=10_000, description="What to do; the run ends with a summary")
    timezone: str = Field(default="UTC", description="IANA time zone of the schedule, such as Europe/Oslo")
    repository: str = Field(
        default="",
        pattern=r"^([\w.-]+/[\w.-]+)?$",
        max_length=200,
        description="Whose files it sees and where its tools write, as owner/repo",
    )

    @field_validator("schedule")
    @classmethod
    def _readable(cls, schedule: str) -> str:
        if len(schedule.split()) != 5:
            raise ValueError(f"a schedule has five fields ({FIELDS}), such as 0 7 * * 1")
        try:
            next(CronSim(schedule, NEVER))
        except CronSimError as error:
            raise ValueError(f"{str(error).lower()} in {schedule!r}; the fields are {FIELDS}") from error
        except StopIteration as error:
            raise ValueError(f"{schedule!r} is never due") from error
        return schedule

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            _zone(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no time zone that this machine knows, such as Europe/Oslo") from error
        return name

    @property
    def name(self) -> str:
        """Names it among the prompts of its character; another one after any change."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def last_due(self, now: datetime) -> datetime | None:
        """The newest moment up to `now` at which it was due, in UTC; None within fifty years."""
        local = now.astimezone(_zone(self.timezone)) + timedelta(seconds=1)
        found = next(CronSim(self.schedule, local, reverse=True), None)
        return found.astimezone(UTC) if found else None

    def next_due(self, now: datetime) -> datetime | None:
        """The next moment after `now` at which it is due, in UTC; None within fifty years."""
        found = next(CronSim(self.schedule, now.astimezone(_zone(self.timezone))), None)
        return found.astimezone(UTC) if found else None


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
