"""Histogram buckets: adding, subtracting, and quantiles as Prometheus' `histogram_quantile` interpolates them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

Indexed = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Explicit:
    """Counts between bounds: the first is up to and including `bounds[0]`, the last above `bounds[-1]`."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def count(self) -> float:
        """All observations."""
        return math.fsum(self.counts)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Counts by index: bucket `i` is above base^i, up to and including base^(i+1), where base = 2^(2^-scale)."""

    scale: int
    zero: float = 0.0
    threshold: float = 0.0
    positive: Indexed = ()
    negative: Indexed = ()

    @property
    def count(self) -> float:
        """All observations."""
        return math.fsum((self.zero, *(count for _, count in (*self.positive, *self.negative))))


Buckets = Explicit | Exponential


@dataclass(frozen=True, slots=True)
class Quantile:
    """An interpolated quantile, and the bounds of its bucket: the true one lies in [low, high]."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Bucket:
    low: float
    high: float
    count: float


def plus(one: Buckets, other: Buckets) -> Buckets:
    """The counts of both. Explicit ones are brought to the bounds they share, exponential ones to the coarser scale.

    Of one kind and the other only the total is kept: one bucket without bounds.
    """
    if isinstance(one, Explicit) and isinstance(other, Explicit):
        bounds = one.bounds if one.bounds == other.bounds else tuple(sorted({*one.bounds} & {*other.bounds}))
        pairs = zip(_at(one, bounds).counts, _at(other, bounds).counts, strict=True)
        return Explicit(bounds, tuple(a + b for a, b in pairs))
    if isinstance(one, Exponential) and isinstance(other, Exponential):
        return _combined(one, other, 1.0)
    return Explicit((), (one.count + other.count,))


def minus(later: Buckets, earlier: Buckets) -> Buckets:
    """The counts that came in between."""
    if isinstance(later, Explicit) and isinstance(earlier, Explicit) and later.bounds == earlier.bounds:
        return Explicit(later.bounds, tuple(max(0.0, a - b) for a, b in zip(later.counts, earlier.counts, strict=True)))
    if isinstance(later, Exponential) and isinstance(earlier, Exponential):
        return _combined(later, earlier, -1.0)
    return later


def quantile(q: float, buckets: Buckets, *, from_above: bool = False) -> Quantile | None:
    """The `q`-quantile (0 < q <= 1) by nearest rank, interpolated within its bucket; None when it is not known.

    Where the rank is just the end of an exponential bucket, the next one begins there, too: `from_above` takes that.

    As in Prometheus, the lowest explicit bucket is taken to begin at 0, and what lies in the highest, which has no
    end, has the value of that bucket's beginning. In exponential buckets the interpolation is exponential.
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    if isinstance(buckets, Explicit):
        return _of_explicit(q, buckets)
    return _of_exponential(q, buckets, from_above=from_above)


def fell(earlier: Exponential, later: Exponential) -> bool:
    """Whether any bucket has less than before, or is finer: what grows can only become coarser."""
    if later.zero < earlier.zero or later.scale > earlier.scale:
        return True
    steps = earlier.scale - later.scale
    for before, after in ((earlier.positive, later.positive), (earlier.negative, later.negative)):
        known = dict(after)
        if any(known.get(index, 0.0) < count for index, count in _summed(_coarser(before, steps), (), 1.0)):
            return True
    return False


def ends(buckets: Buckets) -> tuple[_Bucket, _Bucket] | None:
    """The lowest and the highest bucket in which something is."""
    filled = [bucket for bucket in _in_order(buckets) if bucket.count > 0]
    return (filled[0], filled[-1]) if filled else None


def _of_explicit(q: float, buckets: Explicit) -> Quantile | None:
    if buckets.count <= 0 or not buckets.bounds:
        return None
    cumulative = list(accumulate(buckets.counts))
    rank = q * cumulative[-1]
    index = bisect_left(cumulative[:-1], rank)
    if index == len(buckets.bounds):
        return Quantile(buckets.bounds[-1], buckets.bounds[-1], math.inf)
    end = buckets.bounds[index]
    if index == 0 and end <= 0:
        return Quantile(end, -math.inf, end)
    start = buckets.bounds[index - 1] if index else 0.0
    before = cumulative[index - 1] if index else 0.0
    value = start + (end - start) * ((rank - before) / buckets.counts[index])
    return Quantile(min(value, end), start, end)  # rounded, it may lie beyond


def _of_exponential(q: float, buckets: Exponential, *, from_above: bool) -> Quantile | None:
    total = buckets.count
    if total <= 0:
        return None
    rank, seen = (1.0 - q if from_above else q) * total, 0.0
    filled = [bucket for bucket in _in_order(buckets) if bucket.count > 0]
    if from_above:
        filled.reverse()
    for bucket in filled[:-1]:
        if seen + bucket.count >= rank:
            break
        seen += bucket.count
    else:
        bucket = filled[-1]
    share = min(1.0, max(0.0, (rank - seen) / bucket.count))
    return Quantile(_between(bucket, 1.0 - share if from_above else share), bucket.low, bucket.high)


def _between(bucket: _Bucket, share: float) -> float:
    low, high = bucket.low, bucket.high
    if low > 0:
        value = float(low * (high / low) ** share)
    elif high < 0:
        value = float(high * (low / high) ** (1 - share))
    else:
        value = low + (high - low) * share
    return min(max(value, low), high)  # rounded, it may lie beyond


def _in_order(buckets: Buckets) -> Iterator[_Bucket]:
    if isinstance(buckets, Explicit):
        first_end = buckets.bounds[0] if buckets.bounds else math.inf
        edges = (0.0 if first_end > 0 else -math.inf, *buckets.bounds, math.inf)
        yield from map(_Bucket, edges, edges[1:], buckets.counts)
        return
    for index, count in reversed(buckets.negative):
        yield _Bucket(-_edge(index + 1, buckets.scale), -_edge(index, buckets.scale), count)
    # As in Prometheus: the zero bucket begins at 0 where only greater ones are, ends at 0 where only lesser ones are.
    low = 0.0 if buckets.positive and not buckets.negative else -buckets.threshold
    high = 0.0 if buckets.negative and not buckets.positive else buckets.threshold
    yield _Bucket(low, high, buckets.zero)
    for index, count in buckets.positive:
        yield _Bucket(_edge(index, buckets.scale), _edge(index + 1, buckets.scale), count)


def upper_bounds(buckets: Exponential) -> Iterator[tuple[float, float]]:
    """Each filled bucket's end and count, from the lowest to the highest."""
    for bucket in _in_order(buckets):
        if bucket.count > 0:
            yield bucket.high, bucket.count


def _edge(index: int, scale: int) -> float:
    try:
        return float(2.0 ** (index * 2.0**-scale))
    except OverflowError:
        return math.inf


def _at(buckets: Explicit, bounds: tuple[float, ...]) -> Explicit:
    """The same counts at fewer bounds."""
    if bounds == buckets.bounds:
        return buckets
    counts = [0.0] * (len(bounds) + 1)
    for bound, count in zip((*buckets.bounds, math.inf), buckets.counts, strict=True):
        counts[bisect_left(bounds, bound)] += count
    return Explicit(bounds, tuple(counts))


def _combined(one: Exponential, other: Exponential, sign: float) -> Exponential:
    scale = min(one.scale, other.scale)
    return Exponential(
        scale,
        max(0.0, one.zero + sign * other.zero),
        max(one.threshold, other.threshold),
        _summed(_coarser(one.positive, one.scale - scale), _coarser(other.positive, other.scale - scale), sign),
        _summed(_coarser(one.negative, one.scale - scale), _coarser(other.negative, other.scale - scale), sign),
    )


def _coarser(counts: Indexed, steps: int) -> Iterable[tuple[int, float]]:
    return ((index >> steps, count) for index, count in counts)


def _summed(one: Iterable[tuple[int, float]], other: Iterable[tuple[int, float]], sign: float) -> Indexed:
    sums: dict[int, float] = {}
    for index, count in one:
        sums[index] = sums.get(index, 0.0) + count
    for index, count in other:
        sums[index] = sums.get(index, 0.0) + sign * count
    return tuple(sorted((index, count) for index, count in sums.items() if count > 0))
