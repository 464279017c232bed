"""Trends: against the window before, by what low ratings have in common, and where the level has changed."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from spanwatch.core.feedback.averages import ENOUGH, Average, Sums, average, sums, t_p, t_quantile
from spanwatch.core.feedback.rating import LOW

SIGNIFICANT = 0.05
CERTAIN = 0.01  # a change point must be surer: it is looked for everywhere
SHORTEST = 30  # ratings on each side of a change point
MOST_POINTS = 20

LATENCY_S = (1.0, 3.0, 10.0, 30.0)
COST_NANO_USD = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)


@dataclass(frozen=True, slots=True)
class MeanChange:
    """The mean now and before; difference, its 95 % interval and p by Welch's t test, None without enough data."""

    now: Average
    before: Average
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether so large a difference would be seen by chance in fewer than one of 20 windows."""
        return self.p is not None and self.p < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Lift:
    """What ratings with one property have in common: how much likelier a low one is with it than without.

    `lift` is P(low with it) / P(low without it), with its 95 % interval (Katz, halves added where a count is 0); `p` is
    corrected for how many properties were looked at (Benjamini and Hochberg).
    """

    dimension: str
    value: str
    low_ratings: int
    n: int
    average: Average
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether it is more than chance, however many properties were looked at."""
        return self.p is not None and self.p < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A moment (UNIX nanoseconds of the first rating after it) at which the level of ratings has changed."""

    at_ns: int
    before: float
    after: float
    p: float


def change(now: Sums, before: Sums) -> MeanChange:
    """How the mean has changed from one window to another."""
    found = MeanChange(average(now), average(before))
    if min(now.n, before.n) < ENOUGH:
        return found
    first, second = now.variance / now.n, before.variance / before.n
    difference, error = now.mean - before.mean, math.sqrt(first + second)
    if error == 0:
        return replace(found, difference=difference, low=difference, high=difference, p=float(difference == 0))
    df = (first + second) ** 2 / (first**2 / (now.n - 1) + second**2 / (before.n - 1))
    half = t_quantile(round(df)) * error
    return replace(
        found, difference=difference, low=difference - half, high=difference + half, p=t_p(difference / error, df)
    )


Properties = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Ratings by property: (low ratings, their n, sum, sum of squares) of each value of each dimension.

    `totals` are (low ratings, n) of each dimension, over the ratings that have any value in it.
    """

    parts: dict[tuple[str, str], tuple[int, int, float, float]]
    totals: dict[str, tuple[int, int]]


def gathered(rated: Iterable[tuple[float, Properties]], threshold: float = LOW) -> Gathered:
    """Ratings with their properties, such as `(1.0, {"model": ["gpt-5"], "tool": ["search", "mail"]})`, summed up.

    A dimension without a value is left out of the mapping.
    """
    parts: dict[tuple[str, str], list[float]] = {}
    totals: dict[str, list[int]] = {}
    for rating, properties in rated:
        low = rating <= threshold
        for dimension, values in properties.items():
            total = totals.get(dimension) or totals.setdefault(dimension, [0, 0])
            total[0] += low
            total[1] += 1
            for value in values:
                part = parts.get((dimension, value)) or parts.setdefault((dimension, value), [0, 0, 0.0, 0.0])
                part[0] += low
                part[1] += 1
                part[2] += rating
                part[3] += rating * rating
    return Gathered(
        {key: (int(low), int(n), total, squares) for key, (low, n, total, squares) in parts.items()},
        {dimension: (low, n) for dimension, (low, n) in totals.items()},
    )


def lifts(found: Gathered, *, enough: int = ENOUGH) -> list[Lift]:
    """What low ratings have in common: each value of each dimension, the surest first."""
    plain = (
        (Lift(dimension, value, low, n, average(Sums(n, total, squares), enough=enough)), found.totals[dimension])
        for (dimension, value), (low, n, total, squares) in found.parts.items()
    )
    tested = [_lift(each, all_low, total, enough) for each, (all_low, total) in plain]
    return sorted(_corrected(tested), key=lambda each: (2.0 if each.p is None else each.p, -(each.lift or 0), -each.n))


def changes(now: Gathered, before: Gathered) -> dict[str, dict[str, MeanChange]]:
    """How the mean of each value of each dimension has changed, the most rated first."""
    keys = sorted({*now.parts, *before.parts}, key=lambda key: (-_n(now, key), key))
    found: dict[str, dict[str, MeanChange]] = {}
    for dimension, value in keys:
        here, there = (Sums(*side.parts.get((dimension, value), (0, 0, 0.0, 0.0))[1:]) for side in (now, before))
        found.setdefault(dimension, {})[value] = change(here, there)
    return found


def _n(side: Gathered, key: tuple[str, str]) -> int:
    return side.parts[key][1] if key in side.parts else 0


def _lift(found: Lift, all_low: int, total: int, enough: int) -> Lift:
    low, n = float(found.low_ratings), float(found.n)
    other_low, other_n = all_low - low, total - n
    if min(n, other_n) < enough or not all_low:
        return found
    if low == 0 or other_low == 0:
        low, n, other_low, other_n = low + 0.5, n + 1, other_low + 0.5, other_n + 1
    ratio = (low / n) / (other_low / other_n)
    error = math.sqrt(max(1 / low - 1 / n + 1 / other_low - 1 / other_n, 1e-12))
    half = t_quantile(math.inf) * error
    return replace(
        found,
        lift=ratio,
        low=ratio * math.exp(-half),
        high=ratio * math.exp(half),
        p=t_p(math.log(ratio) / error, math.inf),
    )


def _corrected(found: list[Lift]) -> list[Lift]:
    """The p values as they stand after that many looks."""
    tested = sorted((each for each in found if each.p is not None), key=lambda each: each.p or 0)
    kept, least = [each for each in found if each.p is None], 1.0
    for rank in range(len(tested), 0, -1):
        least = min(least, (tested[rank - 1].p or 0) * len(tested) / rank)
        kept.append(replace(tested[rank - 1], p=least))
    return kept


def change_points(rated: Sequence[tuple[int, float]]) -> list[ChangePoint]:
    """Where the level of ratings has changed: `rated` are (UNIX nanoseconds, rating) in order of time.

    Binary segmentation by the largest CUSUM; p is by the distribution of Kolmogorov. One change needs SHORTEST ratings
    on either side of it.
    """
    values = [rating for _, rating in rated]
    splits: dict[int, float] = {}
    waiting = [(0, len(values))]
    while waiting and len(splits) < MOST_POINTS:
        start, end = waiting.pop(0)
        split = _split(values[start:end])
        if split is not None:
            at = start + split[0]
            splits[at] = split[1]
            waiting += [(start, at), (at, end)]
    edges = [0, *sorted(splits), len(values)]
    return [
        ChangePoint(rated[at][0], sums(values[before:at]).mean, sums(values[at:after]).mean, splits[at])
        for before, at, after in zip(edges, edges[1:], edges[2:], strict=False)
    ]


def _split(values: Sequence[float]) -> tuple[int, float] | None:
    n = len(values)
    if n < 2 * SHORTEST:
        return None
    mean = math.fsum(values) / n
    cusum = list(accumulate(value - mean for value in values))
    at = max(range(SHORTEST - 1, n - SHORTEST), key=lambda place: abs(cusum[place]))
    left, right = sums(values[: at + 1]), sums(values[at + 1 :])
    within = (left.variance * (left.n - 1) + right.variance * (right.n - 1)) / (n - 2)
    if within <= 0:
        return (at + 1, 0.0) if left.mean != right.mean else None
    p = _kolmogorov(abs(cusum[at]) / math.sqrt(within * n))
    return (at + 1, p) if p < CERTAIN else None


def _kolmogorov(distance: float) -> float:
    if distance < 0.3:
        return 1.0
    terms = (2 * (1 if k % 2 else -1) * math.exp(-2 * k * k * distance * distance) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms)))


def buckets(edges: Sequence[float], written: Callable[[float], str]) -> tuple[tuple[str], ...]:
    """The ranges between edges, in words, one more than edges."""
    return (*((f"up to {written(edge)}",) for edge in edges), (f"over {written(edges[-1])}",))


LATENCIES = buckets(LATENCY_S, lambda edge: f"{edge:g} s")
COSTS = buckets(COST_NANO_USD, lambda edge: f"${edge / 1e9:g}")


def latency(seconds: float) -> tuple[str]:
    """The range of a duration, in words."""
    return LATENCIES[bisect_left(LATENCY_S, seconds)]


def cost(nano_usd: int) -> tuple[str]:
    """The range of a cost, in words."""
    return COSTS[bisect_left(COST_NANO_USD, nano_usd)]
