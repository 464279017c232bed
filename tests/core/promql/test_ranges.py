"""Functions of ranges: Prometheus' rules of extrapolation, resets and staleness, by hand and by property."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.promql import Track, Tracks
from tests.core.promql.rig import evaluated, track, tracks

ONE = (("a", "1"),)
COUNTER = 'x{a="1"}: 0 10 20 30 40 50 60 70 80 90 100 110 120 130 140 150 160 170 180 190 200 210'


@pytest.mark.parametrize(
    ("text", "at", "value"),
    [
        ("rate(x[5m])", 300_000, 200 / 300),
        ("increase(x[5m])", 300_000, 200.0),
        ("increase(x[5m])", 307_000, 200.0),
        ("increase(x[1m])", 60_000, 40.0),
        ("increase(x[5m])", 60_000, 40.0),  # it began inside the window, at zero: nothing is before that
        ("increase(x[1m] offset 2m)", 240_000, 40.0),
        ("delta(x[1m])", 120_000, 40.0),
        ("irate(x[5m])", 300_000, 10 / 15),
        ("idelta(x[5m])", 300_000, 10.0),
        ("changes(x[1m])", 300_000, 3.0),
        ("resets(x[5m])", 300_000, 0.0),
        ("count_over_time(x[1m])", 300_000, 4.0),  # the window's beginning is not in it
        ("avg_over_time(x[1m])", 300_000, 185.0),
        ("sum_over_time(x[1m])", 300_000, 740.0),
        ("min_over_time(x[1m])", 300_000, 170.0),
        ("max_over_time(x[1m])", 300_000, 200.0),
        ("present_over_time(x[1m])", 300_000, 1.0),
    ],
)
def test_functions_of_a_regular_counter(text, at, value):
    assert evaluated(text, tracks(COUNTER), at) == {ONE: pytest.approx(value, rel=1e-12)}


def test_the_latest_sample_keeps_its_name():
    assert evaluated("last_over_time(x[1m])", tracks(COUNTER), 61_000) == {(("__name__", "x"), ("a", "1")): 40.0}


def test_a_reset_counts_from_zero():
    found = evaluated("increase(x[1m])", tracks('x{a="1"}: 100 110 5 15 25'), 60_000)
    assert found == {ONE: pytest.approx((5 + 10 + 10) * (60 / 45), rel=1e-12)}
    assert evaluated("resets(x[2m])", tracks('x{a="1"}: 100 110 5 15 25'), 60_000) == {ONE: 1.0}


def test_one_sample_has_no_rate():
    assert evaluated("rate(x[15s])", tracks(COUNTER), 300_000) == {}
    assert evaluated("delta(x[1m])", tracks("x: 3"), 0) == {}


def test_a_gap_is_extrapolated_by_half_a_distance():
    source = tracks('x{a="1"}: _ _ _ _ _ _ 100 110 120')
    found = evaluated("delta(x[5m])", source, 300_000)
    assert found == {ONE: pytest.approx(20 * (30 + 7.5 + 7.5) / 30)}


def test_a_counter_is_not_extrapolated_below_zero():
    source = tracks('x{a="1"}: _ 1 11 21 31')
    assert evaluated("increase(x[1m])", source, 60_000) == {ONE: pytest.approx(30 * (45 + 1.5) / 45)}


def test_an_instant_selector_looks_back_five_minutes_and_stops_at_the_end_of_a_series():
    assert evaluated("x", tracks("x: 7"), 299_999) == {(("__name__", "x"),): 7.0}
    assert evaluated("x", tracks("x: 7"), 300_000) == {}
    assert evaluated("x", tracks("x: 7 stale"), 15_000) == {}
    assert evaluated("count_over_time(x[1m])", tracks("x: 7 stale 8"), 30_000) == {(): 2.0}


def test_nan_is_the_extreme_only_where_nothing_else_is():
    assert evaluated("max_over_time(x[1m])", tracks("x: NaN 3"), 15_000) == {(): 3.0}
    (value,) = evaluated("min_over_time(x[1m])", tracks("x: NaN NaN"), 15_000).values()
    assert math.isnan(value)


values = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12)
FUNCTIONS = [
    "increase",
    "rate",
    "delta",
    "avg_over_time",
    "sum_over_time",
    "count_over_time",
    "changes",
    "resets",
    "irate",
    "idelta",
    "last_over_time",
]


@given(values, st.integers(0, 12), st.sampled_from(FUNCTIONS), st.integers(1, 20))
def test_a_value_that_stands_counts_as_told_at_every_step(told, end, function, at):
    """The ring keeps what changes; Prometheus gets every collection. Both give one answer."""
    every = Track((("__name__", "x"),), [n * 15_000 for n in range(len(told) + end)], [*told, *[told[-1]] * end])
    kept = [(n * 15_000, value) for n, value in enumerate(told) if not n or value != told[n - 1]]
    standing = Track(
        (("__name__", "x"),),
        [when for when, _ in kept],
        [value for _, value in kept],
        15_000,
        (len(told) + end - 1) * 15_000,
    )
    text, when = f"{function}(x[2m])", at * 15_000 + 4_000
    expected, found = (evaluated(text, Tracks([each]), when) for each in (every, standing))
    assert found.keys() == expected.keys()
    for labels, value in expected.items():
        assert found[labels] == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert evaluated("x", Tracks([every]), when) == evaluated("x", Tracks([standing]), when)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=30))
def test_the_increase_of_a_whole_counter_is_what_was_added(amounts):
    total, row = 0.0, [0.0]
    for amount in amounts:
        total += amount
        row.append(total)
    one = Track((("__name__", "x"),), [n * 15_000 for n in range(len(row))], row)
    at = (len(row) - 1) * 15_000
    (found,) = evaluated(f"increase(x[{at // 1000 + 15}s])", Tracks([one]), at).values()
    assert found == pytest.approx(total, rel=1e-9, abs=1e-9)


def test_a_window_ends_where_it_is_said_to():
    one = track(COUNTER)
    assert [run.first for run in one.window(30_000, 75_000)] == [45_000, 60_000, 75_000]


told_values = st.tuples(st.integers(1, 40), st.sampled_from([None, 0.0, 1.0, 2.0]), st.booleans())


@given(
    st.lists(told_values, min_size=1, max_size=10),
    st.integers(0, 30),
    st.integers(-10, 200),
    st.integers(1, 200),
    st.sampled_from([0, 7]),
)
def test_a_window_in_short_is_the_window(told, after_last, begun, length, step):
    times, at = [], 0
    for gap, _, _ in told:
        at += gap
        times.append(at)
    once = frozenset(n for n, (_, _, alone) in enumerate(told) if alone) if step else frozenset()
    one = Track((), times, [value for _, value, _ in told], step, at + after_last, once)
    runs, short = one.window(begun, begun + length), one.extent(begun, begun + length)
    if not runs:
        assert short is None
        return
    assert (short.first, short.last, short.told) == (runs[0].first, runs[-1].last, sum(run.told for run in runs))
    assert list(short.values) == [run.value for run in runs]
