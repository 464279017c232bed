"""What a metric point is: who it belongs to, and its numbers packed as doubles.

The numbers of a counter, up-down counter or gauge are its value. Those of a histogram are sum, minimum, maximum and the
count of each bucket; of an exponential one sum, minimum, maximum, scale, zero count, zero threshold, how many positive
buckets follow, and index and count of each. Minimum and maximum are of the whole life of the series, NaN when unknown.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from spanwatch.core.buckets import Buckets, Explicit, Exponential, minus, plus

Kind = Literal["counter", "updown", "gauge", "histogram", "exponential"]
ADDING: frozenset[Kind] = frozenset({"counter", "histogram", "exponential"})  # begin at zero and only grow
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """One series: an instrument and a set of labels, sorted. `bounds` are those of an explicit histogram's buckets."""

    name: str
    kind: Kind
    unit: str = ""
    scope: str = ""
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """What one series stood at when it was collected; `start_ns` is since when it counts."""

    identity: Identity
    start_ns: int
    packed: bytes


@dataclass(frozen=True, slots=True)
class Distribution:
    """Observations by bucket; minimum and maximum are those of the series' whole life, NaN when unknown."""

    count: float
    sum: float
    low: float
    high: float
    buckets: Buckets


def pack(numbers: Iterable[float]) -> bytes:
    """Numbers as little-endian doubles."""
    values = tuple(numbers)
    return struct.pack(f"<{len(values)}d", *values)


def unpack(packed: bytes) -> tuple[float, ...]:
    """The numbers that `pack` was given."""
    return struct.unpack(f"<{len(packed) // 8}d", packed)


def pack_distribution(given: Distribution) -> bytes:
    """A histogram's numbers."""
    head, buckets = (given.sum, given.low, given.high), given.buckets
    if isinstance(buckets, Explicit):
        return pack((*head, *buckets.counts))
    flat = (number for side in (buckets.positive, buckets.negative) for pair in side for number in pair)
    return pack((*head, buckets.scale, buckets.zero, buckets.threshold, len(buckets.positive), *flat))


def distribution(identity: Identity, packed: bytes) -> Distribution:
    """A histogram's point, unpacked."""
    total, low, high, *rest = unpack(packed)
    buckets: Buckets
    if identity.kind == "histogram":
        buckets = Explicit(identity.bounds, tuple(rest))
    else:
        scale, zero, threshold, positive, *flat = rest
        pairs = [(int(flat[i]), flat[i + 1]) for i in range(0, len(flat), 2)]
        buckets = Exponential(int(scale), zero, threshold, tuple(pairs[: int(positive)]), tuple(pairs[int(positive) :]))
    return Distribution(buckets.count, total, low, high, buckets)


def value(packed: bytes) -> float:
    """The number of a counter, up-down counter or gauge."""
    return unpack(packed)[0]


def zero(identity: Identity, packed: bytes) -> bytes:
    """What a series that adds up began with, in the shape of its point."""
    if identity.kind not in ADDING:
        return packed
    if identity.kind == "counter":
        return pack((0.0,))
    numbers = unpack(packed)
    if identity.kind == "histogram":
        return pack((0.0, math.nan, math.nan, *(0.0 for _ in numbers[3:])))
    return pack((0.0, math.nan, math.nan, numbers[3], 0.0, numbers[5], 0.0))


def is_reset(identity: Identity, earlier: bytes, later: bytes) -> bool:
    """Whether a series that only grows has become less: it was begun anew in between."""
    if identity.kind == "counter":
        return value(later) < value(earlier)
    if identity.kind not in ADDING:
        return False
    return distribution(identity, later).count < distribution(identity, earlier).count


def added(identity: Identity, packed: Sequence[bytes]) -> bytes:
    """Several points of one instrument as one; of gauges the last."""
    if identity.kind == "gauge":
        return packed[-1]
    if identity.kind not in {"histogram", "exponential"}:
        return pack((math.fsum(value(each) for each in packed),))
    first, *others = (distribution(identity, each) for each in packed)
    for other in others:
        first = merged(first, other)
    return pack_distribution(first)


def merged(one: Distribution, other: Distribution) -> Distribution:
    """The observations of both."""
    return Distribution(
        one.count + other.count,
        one.sum + other.sum,
        _least(one.low, other.low),
        -_least(-one.high, -other.high),
        plus(one.buckets, other.buckets),
    )


def grown(earlier: Distribution, later: Distribution) -> Distribution:
    """What was observed in between; minimum and maximum where those of the whole life moved, or nothing was before."""
    low = later.low if earlier.count == 0 or later.low < earlier.low else math.nan
    high = later.high if earlier.count == 0 or later.high > earlier.high else math.nan
    buckets = minus(later.buckets, earlier.buckets)
    return Distribution(later.count - earlier.count, later.sum - earlier.sum, low, high, buckets)


def _least(one: float, other: float) -> float:
    return math.nan if math.isnan(one) or math.isnan(other) else min(one, other)
