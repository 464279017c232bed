"""`histogram_quantile` of classic buckets: series that differ in their label `le`, cumulative counts up to a bound."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable

from spanwatch.core.points import Labels
from spanwatch.core.promql import native
from spanwatch.core.promql.tracks import NAME, Element

LE = "le"
_SAME = 1e-12  # relative difference below which two counts are one: arithmetic of doubles


def histogram_quantile(q: float, vector: Iterable[Element]) -> list[Element]:
    """One quantile for each set of buckets, and of each native histogram."""
    results: list[Element] = []
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in vector:
        if native.is_one(value):
            rest = tuple(pair for pair in labels if pair[0] != NAME)
            results.append(Element(rest, native.quantile_of(q, value)))
            continue
        bound = next((_bound(text) for key, text in labels if key == LE), None)
        if bound is not None and isinstance(value, float):
            rest = tuple(pair for pair in labels if pair[0] not in {NAME, LE})
            groups.setdefault(rest, []).append((bound, value))
    return results + [Element(labels, bucket_quantile(q, buckets)) for labels, buckets in groups.items()]


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def bucket_quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    """The quantile by linear interpolation in its bucket. The lowest begins at 0, the highest has no end: its start."""
    if math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    bounds, counts = _ordered(buckets)
    if not math.isinf(bounds[-1]) or len(bounds) < 2 or not counts[-1] or math.isnan(counts[-1]):
        return math.nan
    rank = q * counts[-1]
    place = bisect_left(counts, rank, 0, len(counts) - 1)
    if place == len(counts) - 1:
        return bounds[-2]
    if place == 0 and bounds[0] <= 0:
        return bounds[0]
    start, before = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    inside = counts[place] - before
    return start + (bounds[place] - start) * ((rank - before) / inside if inside else math.nan)


def _ordered(buckets: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Bounds and counts, ascending both: equal bounds are one bucket, and no count is below the one before."""
    sums: dict[float, float] = {}
    for bound, count in buckets:
        sums[bound] = sums.get(bound, 0.0) + count
    bounds = sorted(sums)
    counts = [sums[bound] for bound in bounds]
    for place in range(1, len(counts)):
        before = counts[place - 1]
        if counts[place] < before or math.isclose(counts[place], before, rel_tol=_SAME):
            counts[place] = before
    return bounds, counts
