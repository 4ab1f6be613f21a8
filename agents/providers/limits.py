"""When a provider may be asked again, by what it says about its limit: headers, fields, and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LONGEST = timedelta(days=40)  # a month's plan, and some
UNKNOWN = timedelta(minutes=30)
LIMIT = re.compile(
    r"(?i)usage limit|\b(hit|reached) your (\w+ )?limit|limit reached|out of (extra )?usage|usage_limit_reached"
    r"|insufficient_quota|exceeded your current quota|quota exceeded"
)
_EPOCH = re.compile(r"limit reached\|(\d{10,13})\b|\"?resets?_at\"?\s*[:=]\s*(\d{10,13})\b", re.IGNORECASE)
_SECONDS = re.compile(r"\"?resets_in_seconds\"?\s*[:=]\s*(\d{1,8})\b", re.IGNORECASE)
_IN = re.compile(r"(?i)(?:again|resets?) in ((?:\d+(?:\.\d+)?\s*[a-z]+[\s,]*(?:and\s+)?)+)")
_PART = re.compile(r"(?i)(\d+(?:\.\d+)?)\s*(days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s|ms)(?![a-z])")
_UNIT = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_AT = re.compile(
    r"""(?xi)
    (?: again\ (?:at|on) | resets?(?:\ (?:at|on))? )\s+
    (?: (?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?
        (?:,?\s+(?P<year>20\d\d))? ,?\s+ (?:at\s+)? )?
    (?P<hour>\d{1,2}) (?: :(?P<minute>\d\d) )? \s*(?P<half>[ap]\.?m\b)?
    (?: \s*\( (?P<zone>[\w+/-]+) \) )?
    """
)
_REGAIN = re.compile(r"(?i)regain access on (20\d\d-\d\d-\d\d)(?: at (\d\d:\d\d))?(?: UTC)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def speaks_of_limit(text: str) -> bool:
    """Whether a sentence of a provider says that a plan's limit is reached."""
    return bool(LIMIT.search(text))


def reset_in_headers(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the API's headers say that it may be asked again, or None where they do not say.

    Args:
        headers: By name in lower case.
    """
    after = _after(headers.get("retry-after", ""), now)
    resets = list(_resets(headers, now))
    return _sane(max([*resets, *([after] if after else [])], default=None), now)


def reset_in_text(text: str, now: datetime) -> datetime | None:
    """When a sentence or a body says that the limit ends, or None where it does not say."""
    if found := _EPOCH.search(text):
        return _sane(_epoch(found[1] or found[2]), now)
    if found := _SECONDS.search(text):
        return _sane(now + timedelta(seconds=int(found[1])), now)
    if found := _REGAIN.search(text):
        return _sane(_iso(f"{found[1]}T{found[2] or '00:00'}+00:00"), now)
    if found := _IN.search(text):
        return _sane(_spell(found[1], now), now)
    if found := _AT.search(text):
        return _sane(_clock(found, now), now)
    return None


def reset_of(text: str, now: datetime) -> datetime:
    """When the limit ends that `text` speaks of; half an hour from now where it does not say."""
    return reset_in_text(text, now) or now + UNKNOWN


def epoch(seconds: object, now: datetime) -> datetime | None:
    """A point in time as seconds, or milliseconds, since 1970."""
    return _sane(_epoch(str(seconds)), now) if re.fullmatch(r"\d{10,13}", str(seconds)) else None


def _resets(headers: Mapping[str, str], now: datetime) -> Iterator[datetime]:
    for name, value in headers.items():
        if not name.startswith("anthropic-ratelimit-") or not name.endswith("-reset"):
            continue
        kind = name.removesuffix("-reset")
        status, left = headers.get(f"{kind}-status", ""), headers.get(f"{kind}-remaining", "")
        if not (status == "rejected" or left == "0"):
            continue  # this limit is not the one that is reached
        at = epoch(value, now) or _iso(value)
        if at:
            yield at


def _after(value: str, now: datetime) -> datetime | None:
    if re.fullmatch(r"\d{1,8}(\.\d+)?", value):
        return now + timedelta(seconds=float(value))
    try:
        return parsedate_to_datetime(value).astimezone(UTC) if value else None
    except ValueError:
        return None


def _iso(value: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _epoch(digits: str) -> datetime:
    number = int(digits)
    return datetime.fromtimestamp(number / 1000 if len(digits) > 11 else number, UTC)


def _spell(text: str, now: datetime) -> datetime | None:
    parts = _PART.findall(text)
    seconds = sum(float(n) * (0.001 if unit.lower() == "ms" else _UNIT[unit[0].lower()]) for n, unit in parts)
    return now + timedelta(seconds=seconds) if parts else None


def _clock(found: re.Match[str], now: datetime) -> datetime | None:
    """The next time at which a clock shows what a sentence says, in its zone or else in this machine's."""
    try:
        zone = ZoneInfo(found["zone"]) if found["zone"] else now.astimezone().tzinfo
        here = now.astimezone(zone)
        hour = int(found["hour"])
        if found["half"]:
            hour = hour % 12 + (12 if found["half"].lower().startswith("p") else 0)
        at = here.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if not found["month"]:
            return at if at > here else at + timedelta(days=1)
        month = _MONTHS.index(found["month"].lower()) + 1
        year = int(found["year"]) if found["year"] else here.year
        at = at.replace(year=year, month=month, day=int(found["day"]))
        return at.replace(year=at.year + 1) if at < here - LONGEST and not found["year"] else at
    except (ValueError, ZoneInfoNotFoundError):
        return None


def _sane(at: datetime | None, now: datetime) -> datetime | None:
    """`at`, unless nobody can have meant it."""
    if at is None or not now - timedelta(minutes=5) < at < now + LONGEST:
        return None
    return max(at, now).astimezone(UTC)
