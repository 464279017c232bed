"""Moments: what people write after --since and --until, and what they read. Shown times are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from spanwatch.core.errors import UsageError

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LAST_NS = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment(text: str | None, option: str, now_ns: int) -> int | None:
    """A moment in UNIX nanoseconds: `1h` is an hour ago; ISO 8601 is a time, in UTC where it names no zone.

    Raises:
        UsageError: it is neither; names the option.
    """
    if text is None:
        return None
    ago = _AGO.match(text.strip().lower())
    if ago:
        return max(now_ns - int(float(ago[1]) * _SECONDS[ago[2]] * 1e9), 0)
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{option} takes an age such as 30m, 1h or 7d, or a time, not {text[:64]!r}") from None
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
