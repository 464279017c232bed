"""Windows of budgets: calendar hour, day, week or month in a time zone, a rolling number of seconds, or a lifetime.

All times are whole UNIX seconds. A call belongs to the window that it started in, whatever the clock does later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

HOUR, DAY, WEEK = 3_600, 86_400, 604_800
MAX_ROLLING_S = 400 * DAY
SLICES = 60  # a rolling window is counted in so many slices (of a second at least); the oldest counts whole

_UNITS = {"s": 1, "m": 60, "h": HOUR, "d": DAY, "w": WEEK}
_CALENDAR = ("hour", "day", "week", "month")
_ROLLING = re.compile(r"(?:rolling\s+)?(\d{1,9})\s*([smhdw])")
_THURSDAY = 4 * DAY  # the epoch fell on a Thursday; weeks begin on Monday
_REMEDY = "'calendar day' (hour, week, month; a zone may follow: 'calendar day Europe/Berlin'), '3600s' or 'lifetime'"


@dataclass(frozen=True, slots=True)
class BudgetWindow:
    """`kind` is hour, day, week, month, rolling or lifetime. `seconds` is the length of a rolling one."""

    kind: str
    zone: tzinfo = UTC
    seconds: int = 0

    def __str__(self) -> str:
        if self.kind == "rolling":
            return f"{self.seconds}s"
        return self.kind if self.kind == "lifetime" else f"calendar {self.kind} {self.zone}"


@dataclass(frozen=True, slots=True)
class Period:
    """The stretch of a window that a call is charged to: `start <= t < until`.

    Spend recorded from `since` on counts against the limit, and what is charged here stops counting at `end`; None is
    never. Only for a rolling window do `since` and `start`, `until` and `end` differ.
    """

    start: int
    until: int | None
    since: int
    end: int | None


LIFETIME = Period(0, None, 0, None)


def parse_window(words: object) -> BudgetWindow:
    """The window that `words` name.

    Raises:
        TypeError: it is no text.
        ValueError: it names no window or an unknown time zone.
    """
    if not isinstance(words, str):
        raise TypeError(f"window must be text, not {type(words).__name__}: give {_REMEDY}")
    parts = words.split()
    if parts[:1] == ["calendar"]:
        parts = parts[1:]
    if parts == ["lifetime"]:
        return BudgetWindow("lifetime")
    if parts and parts[0] in _CALENDAR and len(parts) <= 2:
        return BudgetWindow(parts[0], _zone(parts[1]) if len(parts) == 2 else UTC)
    found = _ROLLING.fullmatch(words.strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= MAX_ROLLING_S:
        raise ValueError(f"window cannot be {words!r}: give {_REMEDY}, at most {MAX_ROLLING_S} seconds")
    return BudgetWindow("rolling", seconds=seconds)


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # not found, a directory, or no name of a zone at all
        raise ValueError(
            f"unknown time zone {name!r}: give an IANA name such as 'Europe/Berlin' (pip install tzdata if the machine "
            "has no zone data)"
        ) from None


def period_of(window: BudgetWindow, at: int) -> Period:
    """The period of a call that started at `at`.

    Every instant is in exactly one: where clocks go back across midnight, the day that began first goes on, and an hour
    that is lived twice is two windows.
    """
    if window.kind == "lifetime":
        return LIFETIME
    if window.kind == "rolling":
        return _rolling(window.seconds, at)
    start, end = _in_utc(window.kind, at) if window.zone is UTC else _in_zone(window, at)
    return Period(start, end, start, end)


def _rolling(seconds: int, at: int) -> Period:
    piece = max(1, seconds // SLICES)
    start = at - at % piece
    return Period(start, start + piece, start - -(-seconds // piece) * piece, start + piece + seconds)


def _in_utc(kind: str, at: int) -> tuple[int, int]:
    if kind == "hour":
        return at - at % HOUR, at - at % HOUR + HOUR
    if kind == "day":
        return at - at % DAY, at - at % DAY + DAY
    if kind == "week":
        start = at - (at - _THURSDAY) % WEEK
        return start, start + WEEK
    first = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(first.timestamp()), int((first + timedelta(days=32)).replace(day=1).timestamp())


def _in_zone(window: BudgetWindow, at: int) -> tuple[int, int]:
    local = datetime.fromtimestamp(at, window.zone)
    starts = _hours(local) if window.kind == "hour" else _dates(window, local.date())
    return max(start for start in starts if start <= at), min(start for start in starts if start > at)


def _dates(window: BudgetWindow, day: date) -> list[int]:
    """When the windows around a date begin: at the first midnight of it, or where it has none, right after the gap."""
    step = _STEPS[window.kind]
    first = step(day, 0)
    days = [step(first, -2), step(first, -1), first, step(first, 1), step(first, 2)]
    return [int(datetime(d.year, d.month, d.day, tzinfo=window.zone).timestamp()) for d in days]


def _weeks(day: date, count: int) -> date:
    return day - timedelta(days=day.weekday()) + timedelta(weeks=count)


def _months(day: date, count: int) -> date:
    month = day.year * 12 + day.month - 1 + count
    return date(month // 12, month % 12 + 1, 1)


_STEPS: dict[str, Callable[[date, int], date]] = {
    "day": lambda day, count: day + timedelta(days=count),
    "week": _weeks,
    "month": _months,
}


def _hours(local: datetime) -> list[int]:
    """When the full hours around a local time strike; an hour that is skipped does not, one lived twice does twice."""
    clock = local.replace(minute=0, second=0, microsecond=0, tzinfo=None)
    found = []
    for hours in range(-4, 5):
        for fold in (0, 1):
            wanted = (clock + timedelta(hours=hours)).replace(fold=fold)
            instant = wanted.replace(tzinfo=local.tzinfo).timestamp()
            if datetime.fromtimestamp(instant, local.tzinfo).replace(tzinfo=None, fold=0) == wanted.replace(fold=0):
                found.append(int(instant))
    return found
