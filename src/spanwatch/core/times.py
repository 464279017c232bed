"""Moments: what people write after --since and --until, and what they read. Shown times are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from spanwatch.core.errors import UsageError

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\s*")
_AGO = re.compile(rf"(?:{_PART.pattern})+\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LAST_NS = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment(text: str | None, option: str, now_ns: int) -> int | None:
    """A moment in UNIX nanoseconds: `1h` or `1d12h` is so long ago; ISO 8601 is a time, in UTC where it names no zone.

    Raises:
        UsageError: it is neither; names the option.
    """
    if text is None:
        return None
    words = text.strip().lower()
    if _AGO.match(words):
        ago_ns = sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(words)) * 1e9
        return now_ns - int(ago_ns) if ago_ns < now_ns else 0
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        wanted = "an age such as 30m, 1h or 7d, or a time such as 2026-11-26T09:30"
        raise UsageError(f"{option} takes {wanted}, not {text[:64]!r}") from None
    return nanoseconds(time)


def nanoseconds(time: datetime) -> int:
    """UNIX nanoseconds of a time, exact; UTC where it names no zone. Never before 1970, nor after 2116."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return min(max((aware - _EPOCH) // _MICROSECOND * 1000, 0), _LAST_NS)


def iso(time_ns: int) -> str:
    """A moment as ISO 8601 in UTC, to the microsecond."""
    try:
        whole = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns"
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000 // 1000:06d}Z"


def shown(time_ns: int) -> str:
    """A moment as people read it: `2026-11-25 23:20:30`."""
    return iso(time_ns)[:19].replace("T", " ")
