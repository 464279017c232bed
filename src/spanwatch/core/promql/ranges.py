"""Functions of a range of samples, as Prometheus computes them.

https://prometheus.io/docs/prometheus/latest/querying/functions/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from spanwatch.core.points import Distribution
from spanwatch.core.promql import native
from spanwatch.core.promql.tracks import Extent, Run, Value

Edges = tuple[int, int]  # after, until: UNIX milliseconds
_LIMIT = 1.1  # of the mean distance between samples: so far from an edge a series is taken to reach it


def rate(found: Extent, window: Edges) -> Value | None:
    """Increase per second of a counter."""
    grown = increase(found, window)
    seconds = (window[1] - window[0]) / 1e3
    if grown is None or isinstance(grown, float):
        return None if grown is None else grown / seconds
    return native.scaled(grown, 1 / seconds)


def increase(found: Extent, window: Edges) -> Value | None:
    """How much a counter grew, resets included, extrapolated to the window's edges."""
    return _extrapolated(found, window, counter=True)


def delta(found: Extent, window: Edges) -> Value | None:
    """Last minus first of a gauge, extrapolated to the window's edges."""
    return _extrapolated(found, window, counter=False)


def _extrapolated(found: Extent, window: Edges, *, counter: bool) -> Value | None:
    if found.told < 2 or found.last <= found.first:  # a birth in the millisecond of the first sample is no distance
        return None
    kinds = set(map(type, found.values))
    result: Value
    if Distribution in kinds:
        if len(kinds) > 1:
            return None  # of both kinds: neither is true of the whole
        histograms: Sequence[Distribution] = found.values  # type: ignore[assignment]  # all of them
        result = native.increase(histograms) if counter else native.minus(histograms[-1], histograms[0])
        begun, grown = histograms[0].count, result.count
    else:
        values: Sequence[float] = found.values  # type: ignore[assignment]  # floats all
        begun, result = values[0], _increase(values) if counter else values[-1] - values[0]
        grown = result
    factor = _factor(found, window, (begun, grown) if counter else None)
    return native.scaled(result, factor) if isinstance(result, Distribution) else result * factor


def _factor(found: Extent, window: Edges, counted: tuple[float, float] | None) -> float:
    first, last, told, _ = found
    sampled = (last - first) / 1e3
    mean = sampled / (told - 1)
    to_start, to_end = (first - window[0]) / 1e3, (window[1] - last) / 1e3
    if to_start >= mean * _LIMIT:
        to_start = mean / 2
    if counted is not None:
        begun, grown = counted
        if grown > 0 and begun >= 0:  # no counter was below zero before its first sample
            to_start = min(to_start, sampled * (begun / grown))
    if to_end >= mean * _LIMIT:
        to_end = mean / 2
    return (sampled + to_start + to_end) / sampled


def _increase(values: Sequence[float]) -> float:
    result = values[-1] - values[0]
    if sorted(values) == values:  # it never fell: the quickest way to know
        return result
    return result + sum([one for one, after in pairwise(values) if after < one])


def irate(runs: Sequence[Run], _window: Edges) -> Value | None:
    """Increase per second between the last two samples."""
    pair = _last_two(runs)
    if pair is None:
        return None
    (earlier, value), (later, now) = pair
    if later <= earlier:
        return None
    grown = now if now < value else now - value
    return grown / ((later - earlier) / 1e3)


def idelta(runs: Sequence[Run], _window: Edges) -> Value | None:
    """The difference between the last two samples."""
    pair = _last_two(runs)
    return None if pair is None else pair[1][1] - pair[0][1]


def _last_two(runs: Sequence[Run]) -> tuple[tuple[int, float], tuple[int, float]] | None:
    if not runs or isinstance(runs[-1].value, Distribution):
        return None
    last = runs[-1]
    if last.told > 1:
        step = (last.last - last.first) // (last.told - 1)
        return (last.last - step, last.value), (last.last, last.value)  # type: ignore[return-value]  # floats both
    if len(runs) < 2 or isinstance(runs[-2].value, Distribution):
        return None
    return (runs[-2].last, runs[-2].value), (last.last, last.value)  # type: ignore[return-value]  # floats both


def changes(runs: Sequence[Run], _window: Edges) -> Value | None:
    """How often the value became another."""
    return float(sum(not _same(one.value, other.value) for one, other in pairwise(runs))) if runs else None


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return one == other


def resets(runs: Sequence[Run], _window: Edges) -> Value | None:
    """How often a counter began anew."""
    return float(sum(_fell(one.value, other.value) for one, other in pairwise(runs))) if runs else None


def _fell(one: Value, other: Value) -> bool:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        return native.is_reset(one, other)
    return isinstance(one, Distribution) != isinstance(other, Distribution) or other < one  # type: ignore[operator]


def _numbers(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if not isinstance(run.value, Distribution)]


def avg_over_time(runs: Sequence[Run], _window: Edges) -> Value | None:
    """The mean of the samples."""
    told = _numbers(runs)
    count = sum(run.told for run in told)
    if not count or len(told) < len(runs):
        return None
    total = _total(run.value * run.told for run in told)  # type: ignore[operator]  # floats all
    if math.isinf(total) and all(map(math.isfinite, (run.value for run in told))):  # type: ignore[arg-type]
        return _total(run.value / count * run.told for run in told)  # type: ignore[operator]
    return total / count


def sum_over_time(runs: Sequence[Run], _window: Edges) -> Value | None:
    """The sum of the samples."""
    told = _numbers(runs)
    if not told or len(told) < len(runs):
        return None
    return _total(run.value * run.told for run in told)  # type: ignore[operator]  # floats all


def _total(values: object) -> float:
    numbers = list(values)  # type: ignore[call-overload]
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # infinities, of both signs perhaps
        return float(sum(numbers))


def min_over_time(runs: Sequence[Run], _window: Edges) -> Value | None:
    """The least sample; NaN only where all are."""
    return _extreme(runs, min)


def max_over_time(runs: Sequence[Run], _window: Edges) -> Value | None:
    """The greatest sample; NaN only where all are."""
    return _extreme(runs, max)


def _extreme(runs: Sequence[Run], choose: Callable[..., float]) -> float | None:
    values: list[float] = [run.value for run in _numbers(runs)]  # type: ignore[misc]  # floats all
    told = [value for value in values if not math.isnan(value)]
    return choose(told) if told else (math.nan if values else None)


def count_over_time(runs: Sequence[Run], _window: Edges) -> Value | None:
    """How many samples there are."""
    return float(sum(run.told for run in runs)) if runs else None


def present_over_time(runs: Sequence[Run], _window: Edges) -> Value | None:
    """1 where there is any sample."""
    return 1.0 if runs else None


def last_over_time(runs: Sequence[Run], _window: Edges) -> Value | None:
    """The latest sample."""
    return runs[-1].value if runs else None


IN_SHORT: dict[str, Callable[[Extent, Edges], Value | None]] = {"rate": rate, "increase": increase, "delta": delta}
FUNCTIONS: dict[str, Callable[[Sequence[Run], Edges], Value | None]] = {
    "irate": irate,
    "idelta": idelta,
    "changes": changes,
    "resets": resets,
    "avg_over_time": avg_over_time,
    "sum_over_time": sum_over_time,
    "min_over_time": min_over_time,
    "max_over_time": max_over_time,
    "count_over_time": count_over_time,
    "present_over_time": present_over_time,
    "last_over_time": last_over_time,
}
