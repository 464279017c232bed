"""The live ring as a source: names, labels, buckets, and values that stand."""

import math

import pytest

from spanwatch.core.points import Identity, Point, pack
from spanwatch.core.promql import RingSource
from spanwatch.core.promql.ring import Memory, bound_text
from spanwatch.core.series import SECOND_NS, Ring, Series
from tests.core.promql.rig import evaluated

T0 = 1_700_000_000_000
RESOURCE = (("process.pid", "42"), ("service.name", "bot"))
CALLS = Identity("spanwatch.calls", "counter", "{call}", "spanwatch", (("gen_ai.request.model", "gpt-4o"),))
TIMES = Identity("spanwatch.request.duration", "histogram", "s", "spanwatch", (), (0.5, 1.0))
PROCESS = (("instance", "42"), ("job", "bot"), ("service_name", "bot"))


def source_of(collections, identity, resource=RESOURCE):
    """The ring after collections every 15 s, each with these numbers."""
    ring = Ring()
    for n, numbers in enumerate(collections):
        ring.take([Point(identity, (T0 - 60_000) * 1_000_000, pack(numbers))], (T0 + n * 15_000) * 1_000_000)
    return RingSource([Series(name, kept, ring.seen_ns, resource) for name, kept in ring.series()], 15 * SECOND_NS)


def test_a_counter_has_its_name_of_prometheus_and_the_labels_of_its_process():
    found = evaluated("spanwatch_calls_total", source_of([(3.0,)], CALLS), T0)
    assert found == {(("__name__", "spanwatch_calls_total"), ("gen_ai_request_model", "gpt-4o"), *PROCESS): 3.0}


def test_the_birth_of_a_series_counts_as_its_zero():
    source = source_of([(3.0,), (3.0,), (3.0,), (3.0,), (3.0,)], CALLS)
    (grown,) = evaluated("increase(spanwatch_calls_total[5m])", source, T0 + 60_000).values()
    assert grown == pytest.approx(3.0)
    assert list(evaluated("count_over_time(spanwatch_calls_total[5m])", source, T0 + 60_000).values()) == [6.0]


def test_a_value_that_stands_is_told_until_the_process_is_silent():
    source = source_of([(1.0,), (1.0,), (1.0,)], CALLS)
    assert evaluated("spanwatch_calls_total", source, T0 + 30_000 + 299_000)
    assert not evaluated("spanwatch_calls_total", source, T0 + 30_000 + 300_000)


def test_a_histogram_has_buckets_count_and_sum():
    source = source_of([(4.5, 0.2, 3.0, 2.0, 1.0, 1.0)], TIMES)
    found = evaluated("spanwatch_request_duration_seconds_bucket", source, T0)
    assert {dict(labels)["le"]: value for labels, value in found.items()} == {"0.5": 2.0, "1": 3.0, "+Inf": 4.0}
    assert list(evaluated("spanwatch_request_duration_seconds_count", source, T0).values()) == [4.0]
    assert list(evaluated("spanwatch_request_duration_seconds_sum", source, T0).values()) == [4.5]
    text = "histogram_quantile(0.5, sum by (le) (rate(spanwatch_request_duration_seconds_bucket[5m])))"
    assert evaluated(text, source, T0) == {(): pytest.approx(0.5)}


def test_an_exponential_histogram_is_native():
    identity = Identity("app.latency", "exponential", "s", "app")
    first = (0.0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0)
    last = (6.0, 1.5, 3.0, 0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 1.0, 1.0)
    source = source_of([first, last], identity)
    (found,) = evaluated(
        "histogram_quantile(0.5, sum(increase(app_latency_seconds[5m])))", source, T0 + 15_000
    ).values()
    assert 1.0 < found <= 2.0


def test_who_is_there_is_told_by_target_info():
    source = source_of([(1.0,)], CALLS)
    assert evaluated('absent_over_time(target_info{job="bot"}[5m])', source, T0 + 1_000) == {}
    assert evaluated('absent_over_time(target_info{job="bot"}[5m])', source, T0 + 400_000) == {(("job", "bot"),): 1.0}


def test_two_meters_with_an_instrument_of_one_name_stay_two_series():
    other = Identity(CALLS.name, CALLS.kind, CALLS.unit, "another", CALLS.labels)
    rings = Ring()
    rings.take([Point(each, 0, pack((2.0,))) for each in (CALLS, other)], T0 * 1_000_000)
    source = RingSource([Series(name, kept, rings.seen_ns, RESOURCE) for name, kept in rings.series()])
    assert evaluated("sum(spanwatch_calls_total)", source, T0) == {(): 4.0}


@pytest.mark.parametrize(
    ("bound", "text"), [(0.25, "0.25"), (5.0, "5"), (1e-7, "0.0000001"), (1e21, "1" + "0" * 21), (math.inf, "+Inf")]
)
def test_bounds_are_written_without_an_exponent(bound, text):
    assert bound_text(bound) == text


def test_what_was_made_before_is_gone_on_with():
    """Tracks that grow with the ring are those that a new source makes of it."""
    ring, memory = Ring(), Memory()
    for n in range(60):
        counted = (float(n // 3 if n < 30 else n - 30),)
        times = (n * 1.0, 0.1, 2.0, float(n // 2), 0.0, float(n))
        points = [Point(CALLS, (T0 - 1_000) * 1_000_000, pack(counted)), Point(TIMES, T0 * 1_000_000, pack(times))]
        ring.take(points if n % 20 < 17 else points[:1], (T0 + n * 7_000) * 1_000_000)
        series = [Series(name, kept, ring.seen_ns, RESOURCE) for name, kept in ring.series()]
        for text in ("increase(spanwatch_calls_total[1m])", "rate(spanwatch_request_duration_seconds_bucket[2m])"):
            known, new = RingSource(series, memory=memory), RingSource(series)
            assert evaluated(text, known, T0 + n * 7_000) == evaluated(text, new, T0 + n * 7_000)


def test_a_series_that_was_born_with_its_first_sample_has_no_rate_before_the_second():
    ring = Ring()
    at_ns = (T0 - 15_000) * 1_000_000 + 5
    ring.take([Point(CALLS, at_ns - 1, pack((3.0,)))], at_ns)
    source = RingSource([Series(name, kept, ring.seen_ns, RESOURCE) for name, kept in ring.series()])
    for function in ("rate", "irate", "increase"):
        assert evaluated(f"{function}(spanwatch_calls_total[5m])", source, T0 - 15_000 + 1) == {}
    ring.take([Point(CALLS, at_ns - 1, pack((3.0,)))], at_ns + 15 * SECOND_NS)
    source = RingSource([Series(name, kept, ring.seen_ns, RESOURCE) for name, kept in ring.series()])
    (grown,) = evaluated("increase(spanwatch_calls_total[5m])", source, T0 + 1).values()
    assert grown == pytest.approx(3.0, rel=1e-3)
