"""Operators, matching, aggregations and quantiles."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwatch.core.errors import EvaluationError
from tests.core.promql.rig import by, evaluated, tracks

SOURCE = tracks(
    'calls{job="a", status="ok"}: 90',
    'calls{job="a", status="error"}: 10',
    'calls{job="b", status="ok"}: 50',
    'limit{job="a", owner="ann"}: 60',
    'limit{job="b", owner="bob"}: 70',
    "flat: 5",
)


def test_aggregations_by_and_without():
    assert by("job", evaluated("sum by (job) (calls)", SOURCE, 0)) == {"a": 100.0, "b": 50.0}
    assert by("job", evaluated("avg without (status) (calls)", SOURCE, 0)) == {"a": 50.0, "b": 50.0}
    assert evaluated("count(calls)", SOURCE, 0) == {(): 3.0}
    assert evaluated("max(calls) - min(calls)", SOURCE, 0) == {(): 80.0}
    assert evaluated("group by (nothing) (calls)", SOURCE, 0) == {(): 1.0}
    assert evaluated("quantile(0.5, calls)", SOURCE, 0) == {(): 50.0}
    assert evaluated("stddev(calls)", SOURCE, 0) == {(): pytest.approx(math.sqrt(3200 / 3))}
    assert evaluated("sum(nothing)", SOURCE, 0) == {}


def test_topk_keeps_whole_elements_of_each_group():
    found = evaluated("topk by (job) (1, calls)", SOURCE, 0)
    assert {dict(labels)["__name__"] for labels in found} == {"calls"}
    assert sorted(found.values()) == [50.0, 90.0]
    assert list(evaluated("bottomk(1, calls)", SOURCE, 0).values()) == [10.0]


def test_a_ratio_within_groups():
    found = evaluated('sum by (job) (calls{status="error"}) / sum by (job) (calls) > 0.05', SOURCE, 0)
    assert found == {(("job", "a"),): 0.1}


def test_many_to_one_takes_over_labels_of_the_one_side():
    found = evaluated("calls / on (job) group_left (owner) limit", SOURCE, 0)
    assert {(dict(labels)["owner"], value) for labels, value in found.items()} == {
        ("ann", 1.5),
        ("ann", 10 / 60),
        ("bob", 50 / 70),
    }
    other = evaluated("limit * on (job) group_right (owner) calls", SOURCE, 0)
    assert set(other.values()) == {5400.0, 600.0, 3500.0}


def test_ambiguous_matches_are_errors_that_say_what_to_do():
    with pytest.raises(EvaluationError, match="group_left"):
        evaluated("calls / on (job) limit", SOURCE, 0)
    with pytest.raises(EvaluationError, match="many-to-many"):
        evaluated("limit / on (job) calls", SOURCE, 0)
    with pytest.raises(EvaluationError, match="same labels"):
        evaluated('abs({__name__=~"one|other"})', tracks("one: 1", "other: 1"), 0)


def test_sets():
    assert set(by("status", evaluated('calls and on (job) limit{owner="ann"}', SOURCE, 0))) == {"ok", "error"}
    assert by("job", evaluated('calls unless on (job) limit{owner="ann"}', SOURCE, 0)) == {"b": 50.0}
    assert len(evaluated("calls or limit", SOURCE, 0)) == 5
    assert evaluated("nothing or vector(0)", SOURCE, 0) == {(): 0.0}


def test_comparisons_filter_or_say_zero_and_one():
    assert list(evaluated("calls > 20", SOURCE, 0).values()) == [90.0, 50.0]
    assert list(evaluated("20 < calls", SOURCE, 0).values()) == [90.0, 50.0]
    assert list(evaluated("calls > bool 20", SOURCE, 0).values()) == [1.0, 0.0, 1.0]
    assert evaluated("1 > bool 2", SOURCE, 0) == 0.0
    assert evaluated("flat == flat", SOURCE, 0) == {(("__name__", "flat"),): 5.0}


def test_numbers():
    assert evaluated("2 ^ 3 ^ 2", SOURCE, 0) == 512.0
    assert evaluated("-2 ^ 2", SOURCE, 0) == -4.0
    assert evaluated("7 % -3", SOURCE, 0) == 1.0
    assert evaluated("1 / 0", SOURCE, 0) == math.inf
    assert evaluated("-1 / 0", SOURCE, 0) == -math.inf
    assert math.isnan(evaluated("0 / 0", SOURCE, 0))
    assert evaluated("time()", SOURCE, 61_500) == 61.5
    assert evaluated("scalar(flat) * 2", SOURCE, 0) == 10.0
    assert math.isnan(evaluated("scalar(calls)", SOURCE, 0))


def test_functions_of_elements_drop_the_name():
    assert evaluated("clamp_max(flat, 3)", SOURCE, 0) == {(): 3.0}
    assert evaluated("clamp_min(-flat, -3)", SOURCE, 0) == {(): -3.0}
    assert evaluated("clamp(flat, 6, 7)", SOURCE, 0) == {(): 6.0}
    assert evaluated("clamp(flat, 7, 6)", SOURCE, 0) == {}
    assert evaluated("abs(-flat)", SOURCE, 0) == {(): 5.0}
    assert evaluated("ceil(flat / 2) + floor(flat / 2)", SOURCE, 0) == {(): 5.0}


def test_absence_has_the_labels_that_the_selector_implies():
    assert evaluated('absent(nothing{job="a", x!="y", z=~"."})', SOURCE, 0) == {(("job", "a"),): 1.0}
    assert evaluated("absent(calls)", SOURCE, 0) == {}
    assert evaluated('absent_over_time(calls{job="c"}[5m])', SOURCE, 0) == {(("job", "c"),): 1.0}
    assert evaluated("absent(sum(nothing))", SOURCE, 0) == {(): 1.0}
    assert evaluated('absent(nothing{job="a", job="b"})', SOURCE, 0) == {(): 1.0}


def test_matchers():
    assert len(evaluated('calls{status=~"o.*|error"}', SOURCE, 0)) == 3
    assert len(evaluated('calls{status!~"o.*"}', SOURCE, 0)) == 1
    assert len(evaluated('calls{owner=""}', SOURCE, 0)) == 3
    assert len(evaluated('{__name__=~"calls|limit"}', SOURCE, 0)) == 5


BUCKETS = tracks('d_bucket{le="1"}: 10', 'd_bucket{le="2"}: 30', 'd_bucket{le="4"}: 38', 'd_bucket{le="+Inf"}: 40')


@pytest.mark.parametrize(
    ("q", "value"),
    [(0.5, 1.5), (0.25, 1.0), (0.0, 0.0), (0.9, 3.5), (0.99, 4.0), (1.0, 4.0), (-1, -math.inf), (2, math.inf)],
)
def test_quantiles_of_classic_buckets(q, value):
    assert evaluated(f"histogram_quantile({q}, d_bucket)", BUCKETS, 0) == {(): value}


def test_buckets_without_an_end_or_observations_have_no_quantile():
    for source in (
        tracks('d_bucket{le="1"}: 10', 'd_bucket{le="2"}: 20'),
        tracks('d_bucket{le="1"}: 0', 'd_bucket{le="+Inf"}: 0'),
    ):
        (value,) = evaluated("histogram_quantile(0.5, d_bucket)", source, 0).values()
        assert math.isnan(value)


def test_counts_that_fall_are_taken_to_stand():
    source = tracks('d_bucket{le="1"}: 10', 'd_bucket{le="2"}: 9', 'd_bucket{le="+Inf"}: 20')
    assert evaluated("histogram_quantile(0.5, d_bucket)", source, 0) == {(): 1.0}


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(numbers, min_size=1, max_size=20))
def test_aggregations_are_what_they_are_called(row):
    source = tracks(*(f'x{{n="{n}"}}: {value!r}' for n, value in enumerate(row)))
    assert evaluated("sum(x)", source, 0) == {(): math.fsum(row)}
    assert evaluated("min(x)", source, 0) == {(): min(row)}
    assert evaluated("count(x > 0 or x <= 0)", source, 0) == {(): len(row)}
    assert sorted(evaluated(f"topk({len(row)}, x)", source, 0).values()) == sorted(row)


@given(numbers, numbers)
def test_arithmetic_between_vectors_is_arithmetic_between_their_values(one, other):
    source = tracks(f"a: {one!r}", f"b: {other!r}")
    assert evaluated("a + b", source, 0) == {(): one + other}
    assert evaluated("a * b", source, 0) == {(): one * other}
    (quotient,) = evaluated("a / b", source, 0).values()
    assert quotient == pytest.approx(
        one / other if other else math.copysign(math.inf, one) * math.copysign(1, other) if one else math.nan,
        nan_ok=True,
    )
