"""Arithmetic of exponential (native) histograms as values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from spanwatch.core.buckets import Explicit, Exponential, fell, quantile
from spanwatch.core.points import Distribution, grown, merged


def is_one(value: object) -> TypeGuard[Distribution]:
    """Whether a value is a histogram."""
    return isinstance(value, Distribution)


def plus(one: Distribution, other: Distribution) -> Distribution:
    """The observations of both."""
    return merged(one, other)


def minus(later: Distribution, earlier: Distribution) -> Distribution:
    """What came in between; never below nothing."""
    return grown(earlier, later)


def scaled(value: Distribution, factor: float) -> Distribution:
    """Every count and the sum times a factor."""
    buckets = value.buckets
    if isinstance(buckets, Explicit):
        scaled_buckets: Explicit | Exponential = Explicit(buckets.bounds, tuple(n * factor for n in buckets.counts))
    else:
        scaled_buckets = replace(
            buckets,
            zero=buckets.zero * factor,
            positive=tuple((place, count * factor) for place, count in buckets.positive),
            negative=tuple((place, count * factor) for place, count in buckets.negative),
        )
    return Distribution(value.count * factor, value.sum * factor, math.nan, math.nan, scaled_buckets)


def increase(values: Sequence[Distribution]) -> Distribution:
    """How much a histogram grew, resets included."""
    total, base, last = None, values[0], values[0]
    for value in values[1:]:
        if is_reset(last, value):
            part = minus(last, base)
            total = part if total is None else plus(total, part)
            base = scaled(minus(value, value), 0)
        last = value
    part = minus(last, base)
    return part if total is None else plus(total, part)


def is_reset(earlier: Distribution, later: Distribution) -> bool:
    """Whether a histogram began anew in between: its count fell, or that of a bucket did, or buckets are finer."""
    if later.count < earlier.count:
        return True
    one, other = earlier.buckets, later.buckets
    return isinstance(one, Exponential) and isinstance(other, Exponential) and fell(one, other)


def quantile_of(q: float, value: Distribution) -> float:
    """The quantile by interpolation; NaN where nothing was observed, infinite outside of 0 to 1.

    From the median on Prometheus counts from the highest bucket down.
    """
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    if math.isnan(q) or not value.count:
        return math.nan
    found = quantile(max(q, 5e-324), value.buckets, from_above=q >= 0.5)
    return math.nan if found is None else found.value
