"""Functions of one number, which are applied to each element of a vector."""

from __future__ import annotations

import math
from collections.abc import Callable


def _clamped(value: float, low: float, high: float) -> float:
    if math.isnan(low) or math.isnan(high):
        return math.nan
    return max(low, min(high, value)) if not math.isnan(value) else value


def _at_least(value: float, low: float) -> float:
    return math.nan if math.isnan(value) or math.isnan(low) else max(value, low)


def _at_most(value: float, high: float) -> float:
    return math.nan if math.isnan(value) or math.isnan(high) else min(value, high)


def _ceil(value: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


OF_ELEMENTS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": _ceil,
    "floor": _floor,
    "clamp": _clamped,
    "clamp_min": _at_least,
    "clamp_max": _at_most,
}
