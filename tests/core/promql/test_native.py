"""Exponential histograms as values: when one began anew, and which side of a gap a quantile takes."""

import math

import pytest

from spanwatch.core.buckets import Exponential
from spanwatch.core.points import Distribution
from spanwatch.core.promql import native


def histogram(positive, scale=0, zero=0.0, total=0.0):
    buckets = Exponential(scale, zero, 0.0, tuple(sorted(positive.items())))
    return Distribution(zero + sum(positive.values()), total, math.nan, math.nan, buckets)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (histogram({0: 2.0}), histogram({0: 3.0}), False),
        (histogram({0: 2.0}), histogram({0: 1.0}), True),
        (histogram({0: 2.0}), histogram({0: 1.0, 1: 5.0}), True),
        (histogram({0: 2.0}, zero=3.0), histogram({0: 9.0}, zero=1.0), True),
        (histogram({2: 2.0, 3: 1.0}, scale=1), histogram({1: 3.0}), False),
        (histogram({2: 2.0, 3: 1.0}, scale=1), histogram({1: 2.0, 2: 9.0}), True),
        (histogram({0: 2.0}), histogram({0: 2.0, 1: 1.0}, scale=1), True),
    ],
)
def test_a_histogram_began_anew_when_a_bucket_fell_or_buckets_are_finer(earlier, later, expected):
    assert native.is_reset(earlier, later) is expected


def test_what_grew_counts_from_a_reset_that_only_a_bucket_shows():
    grown = native.increase([histogram({0: 2.0}), histogram({0: 4.0}), histogram({1: 5.0})])
    assert grown.count == 7.0
    assert grown.buckets.positive == ((0, 2.0), (1, 5.0))


def test_a_rank_between_two_buckets_takes_the_upper_one_from_the_median_on():
    even = histogram({0: 1.0, 3: 1.0})
    assert native.quantile_of(0.5, even) == 8.0
    four = histogram({0: 1.0, 3: 3.0})
    assert native.quantile_of(0.25, four) == 2.0
    assert native.quantile_of(1, four) == 16.0


def test_outside_of_0_to_1_a_quantile_is_infinite_even_of_nothing():
    nothing = histogram({})
    assert (native.quantile_of(2, nothing), native.quantile_of(-1, nothing)) == (math.inf, -math.inf)
    assert math.isnan(native.quantile_of(0.5, nothing))
