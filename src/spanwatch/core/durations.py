"""Lengths of time as Prometheus writes them: `90s`, `5m`, `1h30m`, `3d`."""

from __future__ import annotations

import math
import re
from datetime import timedelta

Duration = str | float | timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")


def seconds(text: Duration) -> float:
    """The length in seconds; a bare number is seconds already.

    Raises:
        ValueError: it is no length of time above zero; the text says how one is written.
    """
    value = _value(text)
    if value is None or not (math.isfinite(value) and value > 0):
        raise ValueError(f"{text!r} is no length of time: write '90s', '5m', '1h30m' or '3d'")
    return value


def written(length_s: float) -> str:
    """A length in seconds as text: `5m`, `1h30m`, `0.5s`."""
    rest, parts = length_s, []
    for unit in ("d", "h", "m"):
        whole = int(rest // _UNITS[unit])
        rest -= whole * _UNITS[unit]
        if whole:
            parts.append(f"{whole}{unit}")
    if rest or not parts:
        parts.append(f"{rest:g}s")
    return "".join(parts)


def _value(text: Duration) -> float | None:
    if isinstance(text, timedelta):
        return text.total_seconds()
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    if not isinstance(text, str):
        return None
    compact = "".join(text.split()).lower()
    if not compact or _PART.sub("", compact):
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(compact))
