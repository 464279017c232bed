"""Quantiles of histograms: as Prometheus has them, and never outside the bounds that come with them."""

import json
import math
from bisect import bisect_left
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from spanwatch.core.buckets import Explicit, Exponential, minus, plus, quantile
from spanwatch.core.points import Distribution, grown
from spanwatch.otel.live.collected import exponential

GOLDEN = json.loads((Path(__file__).parent / "histogram_quantiles.json").read_text(encoding="utf-8"))
RANKS = st.sampled_from([0.5, 0.95, 0.99])


def exact(values, rank):
    return sorted(values)[math.ceil(rank * len(values)) - 1]


def bucketed(values, bounds):
    counts = [0.0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return Explicit(tuple(bounds), tuple(counts))


def collected(values, scale=8):
    """What the SDK makes of observations in an exponential histogram."""
    aggregation = {Histogram: ExponentialBucketHistogramAggregation(max_size=40, max_scale=scale)}
    reader = InMemoryMetricReader(preferred_aggregation=aggregation)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument = provider.get_meter("test").create_histogram("h")
    for value in values:
        instrument.record(value)
    (point,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    provider.shutdown()
    return exponential(point)


@pytest.mark.parametrize("case", GOLDEN["classic"])
def test_the_value_is_that_of_prometheus(case):
    found = quantile(case["q"], Explicit(tuple(case["bounds"]), tuple(case["counts"])))
    assert found.value == pytest.approx(case["want"], rel=1e-12)


@pytest.mark.parametrize("case", GOLDEN["native"])
def test_the_value_of_an_exponential_histogram_is_that_of_prometheus(case):
    sides = (tuple((int(index), count) for index, count in case[side]) for side in ("positive", "negative"))
    found = quantile(case["q"], Exponential(case["scale"], case["zero"], case["threshold"], *sides))
    assert found.value == pytest.approx(case["want"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("scale", [0, 1, 3, 5, 8])
def test_the_end_of_an_exponential_bucket_is_not_beyond_it(scale):
    for index in range(-300, 300):
        for sides in (((index, 1.0),), ()), ((), ((index, 1.0),)):
            found = quantile(1.0, Exponential(scale, 0.0, 0.0, *sides))
            assert found.low <= found.value <= found.high


@given(
    values=st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    bounds=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=20, unique=True).map(sorted),
    rank=RANKS,
)
@example(values=[2.0, 262147.0], bounds=[1.3740572378446814, 262146.02220523806], rank=0.5)  # rounding is not beyond
def test_the_exact_percentile_lies_within_the_bounds(values, bounds, rank):
    found = quantile(rank, bucketed(values, bounds))
    assert found.low <= exact(values, rank) <= found.high
    assert found.low <= found.value <= found.high


@given(values=st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1, max_size=120), rank=RANKS)
def test_the_exact_percentile_lies_within_the_bounds_of_an_exponential_bucket(values, rank):
    found = quantile(rank, collected(values))
    for value in (exact(values, rank), found.value):  # bounds are powers, rounded
        assert found.low * (1 - 1e-12) <= value <= found.high * (1 + 1e-12)


@given(
    first=st.lists(st.floats(0, 100), max_size=50),
    second=st.lists(st.floats(0, 100), min_size=1, max_size=50),
    bounds=st.lists(st.floats(0.1, 100), min_size=1, max_size=8, unique=True).map(sorted),
)
def test_what_came_in_between_is_what_was_added(first, second, bounds):
    before, later = bucketed(first, bounds), bucketed(first + second, bounds)
    assert minus(later, before) == bucketed(second, bounds)
    assert plus(before, bucketed(second, bounds)) == later


@given(
    first=st.lists(st.floats(1e-3, 10), min_size=1, max_size=40),
    second=st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=40),
    rank=RANKS,
)
def test_exponential_histograms_of_other_scales_add_up_and_subtract_at_the_coarser(first, second, rank):
    one, both = collected(first), collected(first + second)
    assert plus(one, collected(second)).count == len(first) + len(second)
    between = minus(both, one)
    assert between.count == len(second)
    found = quantile(rank, between)
    assert found.low * (1 - 1e-12) <= exact(second, rank) <= found.high * (1 + 1e-12)


def test_nothing_observed_has_no_quantile():
    assert quantile(0.5, Explicit((1.0, 2.0), (0.0, 0.0, 0.0))) is None
    assert quantile(0.5, Explicit((), (5.0,))) is None
    assert quantile(0.5, Exponential(3)) is None


def test_a_histogram_of_one_kind_and_one_of_the_other_keep_only_their_total():
    total = plus(Explicit((1.0,), (2.0, 1.0)), Exponential(0, positive=((0, 4.0),)))
    assert (total.count, quantile(0.5, total)) == (7.0, None)


def test_extremes_that_moved_are_those_of_the_time_in_between():
    before = Distribution(2, 3.0, 1.0, 2.0, Explicit((1.0,), (1.0, 1.0)))
    later = Distribution(4, 6.5, 0.5, 3.0, Explicit((1.0,), (2.0, 2.0)))
    between = grown(before, later)
    assert (between.count, between.sum, between.low, between.high) == (2, 3.5, 0.5, 3.0)
    still = grown(later, Distribution(5, 7.5, 0.5, 3.0, Explicit((1.0,), (3.0, 2.0))))
    assert (math.isnan(still.low), math.isnan(still.high)) == (True, True)
