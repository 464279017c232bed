"""The ring of samples, and what is read from it."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.names import METRIC_OVERFLOW
from spanwatch.core.points import Identity, Point, distribution, pack, value
from spanwatch.core.series import COARSE_NS, FINE_FOR_NS, KEEP_NS, SECOND_NS, Ring, Sample, Series
from spanwatch.core.windows import Stats, Window, increase, observed, select, stats

COUNTER = Identity("orders", "counter", "{order}")
LATENCY = Identity("latency", "histogram", "s", bounds=(1.0, 2.0, 4.0))
GAUGE = Identity("temperature", "gauge", "Cel")
QUEUE = Identity("queue", "updown", "{job}")
START = 1_000_200 * SECOND_NS  # where a slot of either kind begins
STEP = 15 * SECOND_NS
OVERFLOW = ((METRIC_OVERFLOW, "true"),)


def at(seconds):
    return START + int(seconds * SECOND_NS)


def counter(number, identity=COUNTER, start=START):
    return Point(identity, start, pack((number,)))


def latency(counts, total=0.0, low=math.nan, high=math.nan, start=START):
    return Point(LATENCY, start, pack((total, low, high, *counts)))


def series(ring, name=None):
    return [Series(identity, samples, ring.seen_ns) for identity, samples in ring.series(name)]


def window(start, end):
    return Window(at(start), at(end))


def ring_of(*collections, **options):
    """A ring that took each (seconds, points) in turn."""
    ring = Ring(**options)
    for seconds, points in collections:
        ring.take(points, at(seconds))
    return ring


def only(found) -> Stats:
    (one,) = found
    return one


# What a window says ------------------------------------------------------------------------------------------------


def test_a_counter_that_begins_inside_the_window_counts_from_zero():
    ring = ring_of((15, [counter(5)]), (30, [counter(8)]))
    found = only(stats("orders", series(ring), window(-100, 30)))
    assert (found.sum, found.rate, found.kind, found.unit) == (8.0, 8 / 130, "counter", "{order}")
    assert (found.count, found.mean, found.p95, found.last, found.complete) == (None, None, None, None, True)


def test_the_sample_before_the_window_is_the_base_so_that_adjoining_windows_add_up():
    ring = ring_of(*((15 * n, [counter(n * n)]) for n in range(1, 9)))
    (one,) = series(ring)
    halves = [increase(one, window(0, 50)), increase(one, window(50, 120))]
    assert halves == [9.0, 55.0]
    assert sum(halves) == increase(one, window(0, 120)) == 64.0


def test_a_counter_that_does_not_move_has_grown_by_zero_and_is_kept_once():
    ring = ring_of((15, [counter(5)]), (30, [counter(5)]), (45, [counter(5)]), (60, [counter(5)]))
    (one,) = series(ring)
    assert [sample.at_ns for sample in one.samples] == [START, at(15)]
    assert increase(one, window(30, 60)) == 0.0


def test_a_reset_counts_from_zero_as_in_prometheus_increase():
    samples = tuple(Sample(at(15 * n), pack((float(v),))) for n, v in enumerate([10, 14, 3, 5]))
    one = Series(COUNTER, samples, at(60))
    assert increase(one, window(0, 60)) == 4 + 3 + 2


def test_a_reset_of_a_histogram_counts_from_zero():
    ring = ring_of(
        (15, [latency([4, 0, 0, 0], 2.0, 0.1, 0.9)]),
        (30, [latency([6, 0, 0, 0], 3.0, 0.1, 0.9)]),
        (45, [latency([0, 3, 0, 0], 4.5, 1.2, 1.9)]),
    )
    (one,) = series(ring)
    seen = observed(one, window(20, 45))
    assert (seen.count, seen.sum, seen.buckets.counts) == (5.0, 5.5, (2.0, 3.0, 0.0, 0.0))


def test_a_series_begun_anew_by_another_provider_counts_from_zero_even_when_it_is_higher():
    ring = ring_of((15, [counter(2)]), (30, [counter(7, start=at(20))]))
    (one,) = series(ring)
    assert increase(one, window(0, 30)) == 9.0
    assert [value(sample.packed) for sample in one.samples] == [0.0, 2.0, 0.0, 7.0]


def test_what_is_not_known_is_none_and_not_zero():
    ring = ring_of((15, [counter(5), Point(GAUGE, 0, pack((20.0,)))]))
    for identity in (COUNTER, GAUGE):
        found = only(stats(identity.name, series(ring, identity.name), window(-900, -600)))
        assert (found.sum, found.rate, found.last, found.min, found.count) == (None, None, None, None, None)
    assert stats("orders", [], window(0, 60)) == []


def test_nothing_observed_is_a_count_of_zero_and_no_percentile():
    ring = ring_of((15, [latency([1, 0, 0, 0], 0.5, 0.5, 0.5)]), (30, [latency([1, 0, 0, 0], 0.5, 0.5, 0.5)]))
    found = only(stats("latency", series(ring), window(20, 30)))
    assert (found.count, found.sum, found.rate) == (0.0, 0.0, 0.0)
    assert (found.mean, found.min, found.max, found.p50, found.p50_bounds) == (None, None, None, None, None)


def test_a_histogram_has_everything_with_bounds():
    ring = ring_of((15, [latency([2, 1, 1, 0], 7.0, 0.5, 3.5)]))
    found = only(stats("latency", series(ring), window(0, 30)))
    assert (found.count, found.sum, found.mean, found.rate) == (4.0, 7.0, 1.75, 4 / 30)
    assert (found.p50, found.p50_bounds) == (1.0, (0.0, 1.0))
    assert (found.p95, found.p95_bounds) == (pytest.approx(3.6), (2.0, 4.0))
    assert (found.min, found.max, found.min_bounds, found.max_bounds) == (0.5, 3.5, (0.5, 0.5), (3.5, 3.5))


def test_an_extreme_that_did_not_move_in_the_window_is_bounded_by_its_bucket_and_the_life_of_the_series():
    ring = ring_of((15, [latency([1, 0, 0, 1], 10.5, 0.5, 10.0)]), (30, [latency([1, 2, 0, 1], 13.5, 0.5, 10.0)]))
    found = only(stats("latency", series(ring), window(15, 30)))
    assert (found.min, found.max, found.min_bounds, found.max_bounds) == (1.0, 2.0, (1.0, 2.0), (1.0, 2.0))


def test_a_percentile_above_the_last_bound_has_the_value_of_prometheus_and_the_true_maximum_as_its_bound():
    ring = ring_of((15, [latency([0, 0, 0, 3], 60.0, 15.0, 25.0)]))
    found = only(stats("latency", series(ring), window(0, 30)))
    assert (found.p95, found.p95_bounds) == (4.0, (4.0, 25.0))


def test_a_gauge_is_weighted_by_the_time_that_each_value_stood():
    points = [(0, 10.0), (15, 40.0), (60, 40.0)]
    ring = ring_of(*((when, [Point(GAUGE, 0, pack((v,)))]) for when, v in points))
    found = only(stats("temperature", series(ring), window(0, 60)))
    assert (found.last, found.min, found.max, found.mean) == (40.0, 10.0, 40.0, (10 * 15 + 40 * 45) / 60)
    assert (found.p50, found.p50_bounds, found.sum, found.rate) == (40.0, (40.0, 40.0), None, None)


def test_an_up_down_counter_is_the_sum_over_its_series():
    two = Series(QUEUE, (Sample(at(0), pack((3.0,))), Sample(at(30), pack((1.0,)))), at(60))
    other = Series(QUEUE, (Sample(at(0), pack((4.0,))),), at(60))
    found = only(stats("queue", [two, other], window(0, 60)))
    assert (found.last, found.min, found.max, found.mean) == (5.0, 5.0, 7.0, 6.0)


def test_a_gauge_of_a_process_that_died_counts_no_more_after_five_minutes_and_its_counter_does():
    ring = ring_of(
        (0, [counter(2), Point(GAUGE, 0, pack((20.0,)))]), (15, [counter(3), Point(GAUGE, 0, pack((21.0,)))])
    )
    soon, late = window(-300, 300), window(-300, 330)
    assert only(stats("temperature", series(ring, "temperature"), soon)).last == 21.0
    assert only(stats("temperature", series(ring, "temperature"), late)).last is None
    assert only(stats("orders", series(ring, "orders"), late)).sum == 3.0


def test_groups_are_one_for_each_value_of_a_label_and_labels_may_be_written_with_underscores():
    tagged = [Identity("orders", "counter", labels=(("gen_ai.agent.name", name),)) for name in ("b", "a")]
    ring = ring_of((15, [counter(n + 1, identity) for n, identity in enumerate(tagged)]))
    found = stats("orders", series(ring), window(0, 15), ["gen_ai.agent.name"])
    assert [(each.labels, each.sum) for each in found] == [
        ({"gen_ai.agent.name": "a"}, 2.0),
        ({"gen_ai.agent.name": "b"}, 1.0),
    ]
    assert select(series(ring), {"gen_ai_agent_name": "a"}) == select(series(ring), {"gen_ai.agent.name": "a"})
    assert len(select(series(ring), {"gen_ai_agent_name": "a"})) == 1


def test_histograms_of_other_bounds_meet_at_the_bounds_they_share():
    coarse = Identity("latency", "histogram", "s", bounds=(2.0, 8.0))
    ring = ring_of((15, [latency([1, 1, 1, 0]), Point(coarse, START, pack((0.0, math.nan, math.nan, 4, 0, 0)))]))
    found = only(stats("latency", series(ring), window(0, 15)))
    assert (found.count, found.p50, found.p99) == (7.0, 2 * 3.5 / 6, 2.0)
    assert (found.p50_bounds, found.p99_bounds) == ((0.0, 2.0), (2.0, math.inf))


# What the ring keeps -----------------------------------------------------------------------------------------------


def test_collections_within_one_interval_are_one_sample_the_last():
    ring = ring_of(*((n, [counter(n)]) for n in range(16, 30)))
    (one,) = series(ring)
    assert [value(sample.packed) for sample in one.samples] == [0.0, 29.0]


def test_after_an_hour_there_is_a_sample_for_each_five_minutes_and_nothing_is_lost():
    ring = Ring()
    last = 0
    for n in range(1, 4 * 60 * 5):  # five hours
        last = n
        ring.take([counter(n)], at(15 * n))
    (one,) = series(ring)
    now = at(15 * last)
    fine = [sample for sample in one.samples if sample.at_ns > now - FINE_FOR_NS]
    coarse = [sample for sample in one.samples if sample.at_ns <= now - FINE_FOR_NS - COARSE_NS]
    assert len(fine) == 240
    assert 48 <= len(coarse) <= 48 + 2 + COARSE_NS // STEP  # the newest slot may not be thinned yet
    assert increase(one, Window(START - 1, now)) == last
    assert one.samples[0] == Sample(START, pack((0.0,)), anchor=True)


def test_after_three_days_a_sample_is_gone_and_the_one_that_stood_then_stays():
    ring = ring_of((0, [counter(1)]), (60, [counter(2)]))
    ring.take([counter(3)], START + KEEP_NS + COARSE_NS)
    (one,) = series(ring)
    assert [value(sample.packed) for sample in one.samples] == [2.0, 3.0]


def test_a_series_that_is_reported_no_more_ends_and_may_come_back_without_counting_twice():
    ring = ring_of((0, [counter(5)]), (15, []), (30, [counter(6)]))
    (one,) = series(ring)
    assert [sample.packed is None for sample in one.samples] == [False, False, True, False]
    assert increase(one, window(-10, 30)) == 6.0


def test_a_gauge_that_is_reported_only_when_it_was_set_stands_for_five_minutes():
    ring = ring_of((0, [Point(GAUGE, 0, pack((20.0,)))]), *((15 * n, []) for n in range(1, 22)))
    (one,) = series(ring)
    assert [(sample.at_ns, sample.packed is None) for sample in one.samples] == [(START, False), (at(315), True)]


def test_a_clock_that_goes_back_loses_nothing():
    ring = ring_of((30, [counter(5)]), (10, [counter(9)]))
    (one,) = series(ring)
    assert increase(one, window(-10, 40)) == 9.0
    assert [sample.at_ns for sample in one.samples] == sorted(sample.at_ns for sample in one.samples)


def test_series_above_the_limit_add_up_to_one_that_says_so():
    many = [Identity("orders", "counter", labels=(("user", str(n)),)) for n in range(10)]
    ring = Ring(max_series=4)
    for turn in (1, 2):
        ring.take([counter(turn * (n + 1), identity) for n, identity in enumerate(many)], at(15 * turn))
    found = series(ring)
    assert len(found) == 5
    assert ring.overflowed
    (rest,) = [each for each in found if each.identity.labels == OVERFLOW]
    assert value(rest.samples[-1].packed) == 2 * sum(range(5, 11))
    assert only(stats("orders", found, window(-1, 30))).sum == 2 * sum(range(1, 11))


def test_histograms_above_the_limit_keep_their_buckets():
    identity = Identity("latency", "histogram", "s", labels=(("user", "x"),), bounds=LATENCY.bounds)
    ring = Ring(max_series=1)
    other = Identity("latency", "histogram", "s", labels=(("user", "y"),), bounds=LATENCY.bounds)
    points = [Point(each, START, latency([1, 2, 3, 4], 5.0).packed) for each in (LATENCY, identity, other)]
    ring.take(points, at(15))
    (rest,) = [each for each in series(ring) if each.identity.labels == OVERFLOW]
    assert distribution(rest.identity, rest.samples[-1].packed).buckets.counts == (2.0, 4.0, 6.0, 8.0)


def test_memory_stays_within_its_bound_whatever_comes_and_the_newest_is_kept():
    limit = 400_000
    ids = [Identity("latency", "histogram", "s", "", (("u", str(n)),), LATENCY.bounds) for n in range(50)]
    ring = Ring(max_bytes=limit)
    for turn in range(1, 200):
        ring.take([Point(each, START, latency([turn, 0, 0, 0], turn).packed) for each in ids], at(15 * turn))
        assert ring.size <= limit
    assert ring.since_ns > START
    found = series(ring)
    assert all(distribution(each.identity, each.samples[-1].packed).count == 199 for each in found)
    real = sum(sys.getsizeof(s) + sys.getsizeof(s.packed) + 8 for each in found for s in each.samples)
    assert real <= ring.size
    stated = only(stats("latency", found, window(-1, 15 * 199)))
    assert (stated.complete, stated.count < 50 * 199) == (False, True)


def test_news_are_told_once_and_again_when_they_did_not_arrive():
    ring = ring_of((15, [counter(5)]))
    first = ring.news()
    assert [len(samples) for _, samples in first] == [2]
    assert ring.news() == first
    ring.told(first)
    assert ring.news() == []
    ring.take([counter(6)], at(30))
    ((identity, samples),) = ring.news()
    assert (identity, [value(sample.packed) for sample in samples]) == (COUNTER, [6.0])


@given(
    steps=st.lists(st.tuples(st.integers(1, 900), st.integers(0, 50)), min_size=1, max_size=150),
    cut=st.floats(0, 1),
)
def test_any_two_adjoining_windows_add_up_to_all_that_was_counted(steps, cut):
    ring, now, total = Ring(), 0, 0
    for seconds, more in steps:
        now, total = now + seconds, total + more
        ring.take([counter(total)], at(now))
    (one,) = series(ring)
    middle = at(now * cut)
    first, second = increase(one, Window(START - 1, middle)), increase(one, Window(middle, at(now)))
    assert (first or 0.0) + (second or 0.0) == total
    assert increase(one, Window(START - 1, at(now))) == total
