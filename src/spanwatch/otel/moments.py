"""Times as the application gives them: an age, a `datetime`, or a time as text."""

from __future__ import annotations

import contextlib
from datetime import datetime

from spanwatch.core.durations import Duration, seconds
from spanwatch.core.times import nanoseconds

When = Duration | datetime


def moment(name: str, given: When, now_ns: int) -> int:
    """UNIX nanoseconds of a time, or of an age before now; 0 for what is before 1970.

    Raises:
        ValueError: it is neither; names the argument.
    """
    if isinstance(given, datetime):
        return nanoseconds(given)
    if isinstance(given, str):
        with contextlib.suppress(ValueError):
            return nanoseconds(datetime.fromisoformat(given))
    try:
        return max(now_ns - int(seconds(given) * 1e9), 0)
    except ValueError:
        raise ValueError(f"{name} is {given!r}: give an age such as '30m', '1h' or '7d', or a time") from None
