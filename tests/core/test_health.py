"""The verdict: limits, reasons, and a state that does not flap."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core import names
from spanwatch.core.health import (
    HOLD_S,
    HealthState,
    Limit,
    Measures,
    Thresholds,
    as_json,
    thresholds_from,
    verdict,
)
from spanwatch.core.measured import measured
from spanwatch.core.points import Identity, pack
from spanwatch.core.series import SECOND_NS, Sample, Series
from spanwatch.core.windows import Window

FINE = Measures(succeeded=100, failed=0, mean_s=1.0, p95_s=2.0, calls=100)
NOW = 2_000 * SECOND_NS
WINDOW = Window(NOW - 300 * SECOND_NS, NOW)


def said(measures, *, at_s=1_000.0, previous=None, thresholds=None):
    at_ns = int(at_s * SECOND_NS)
    return verdict(measures, at_ns=at_ns, window_s=300, thresholds=thresholds or Thresholds(), previous=previous)


def reason(health, name):
    (found,) = [each for each in health.reasons if each.name == name]
    return found


@pytest.mark.parametrize(
    ("good", "bad", "state"),
    [(100, 0, "healthy"), (95, 5, "healthy"), (94, 6, "degraded"), (90, 10, "degraded"), (89, 11, "unhealthy")],
)
def test_the_success_rate_has_the_classic_limits(good, bad, state):
    found = said(replace(FINE, succeeded=good, failed=bad))
    assert found.state == state
    assert reason(found, "success_rate").value == good / (good + bad)


@pytest.mark.parametrize(
    ("mean", "state"), [(5.0, "healthy"), (5.1, "degraded"), (10.0, "degraded"), (10.1, "unhealthy")]
)
def test_the_mean_duration_has_the_classic_limits(mean, state):
    assert said(replace(FINE, mean_s=mean)).state == state


def test_an_idle_agent_has_no_data_and_is_not_unhealthy():
    found = said(Measures())
    assert (found.state, found.reasons[0].name, found.reasons[0].state) == ("no_data", "traffic", "no_data")
    assert str(found) == "no_data: no requests ended in the last 300 s"


def test_what_was_cancelled_or_refused_is_neither_success_nor_failure():
    found = said(replace(FINE, succeeded=19, failed=1, neither=500))
    assert (found.state, reason(found, "success_rate").value) == ("healthy", 0.95)
    assert "500 cancelled or refused" in reason(found, "success_rate").text
    assert said(Measures(succeeded=0, failed=0, neither=3)).state == "no_data"


def test_every_reason_comes_with_value_and_limits():
    found = said(
        replace(FINE, failed=20, errors=(("timeout", 15), ("500", 5)), unpriced=25, lost=3, p95_bounds=(1.28, 2.56))
    )
    assert found.state == "unhealthy"
    assert [(each.name, each.state.value, each.value) for each in found.reasons] == [
        ("success_rate", "unhealthy", 100 / 120),
        ("mean_s", "healthy", 1.0),
        ("p95_s", "healthy", 2.0),
        ("errors", "healthy", 20),
        ("unpriced_share", "healthy", 0.25),
        ("lost", "healthy", 3),
    ]
    assert reason(found, "success_rate").limit == Limit(0.95, 0.90)
    assert str(found) == (
        "unhealthy: success rate 83.33 % of 120 requests [degraded 95 %, unhealthy 90 %]; "
        "mean duration 1 s [degraded 5 s, unhealthy 10 s]; p95 duration 2 s (between 1.28 s and 2.56 s); "
        "errors: timeout 15, 500 5; 25 % of 100 model calls without a known cost; "
        "3 items of telemetry lost: sums are lower bounds"
    )


def test_an_unknown_value_is_told_as_unknown_and_judges_nothing():
    found = said(replace(FINE, mean_s=None, p95_s=None))
    assert (found.state, reason(found, "mean_s").value, reason(found, "mean_s").state) == ("healthy", None, "no_data")
    assert as_json(found)["reasons"][1]["value"] is None
    assert json.loads(json.dumps(as_json(found), allow_nan=False))["state"] == "healthy"


def test_a_worse_state_is_taken_at_once_and_a_better_one_when_it_held_and_is_clearly_better():
    bad = said(replace(FINE, succeeded=94, failed=6), at_s=0)
    assert bad.state == "degraded"
    soon = said(FINE, at_s=HOLD_S - 1, previous=bad)
    assert (soon.state, soon.since_ns) == ("degraded", bad.at_ns)
    assert "not yet clearly better" in reason(soon, "success_rate").text
    hardly = said(replace(FINE, succeeded=96, failed=4), at_s=HOLD_S + 1, previous=soon)
    assert hardly.state == "degraded"
    clearly = said(replace(FINE, succeeded=98, failed=2), at_s=HOLD_S + 2, previous=hardly)
    assert (clearly.state, clearly.since_ns) == ("healthy", clearly.at_ns)
    assert said(replace(FINE, succeeded=80, failed=20), at_s=HOLD_S + 3, previous=clearly).state == "unhealthy"


def test_an_unhealthy_agent_that_is_clearly_only_degraded_becomes_degraded():
    bad = said(replace(FINE, mean_s=20.0), at_s=0)
    assert said(replace(FINE, mean_s=8.0), at_s=HOLD_S, previous=bad).state == "degraded"
    assert said(replace(FINE, mean_s=9.9), at_s=HOLD_S, previous=bad).state == "unhealthy"


def test_no_data_is_left_and_taken_at_once():
    idle = said(Measures(), at_s=0)
    busy = said(FINE, at_s=1, previous=idle)
    assert (idle.state, busy.state, said(Measures(), at_s=2, previous=busy).state) == ("no_data", "healthy", "no_data")


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 20)), min_size=2, max_size=60))
def test_a_state_never_gets_better_before_it_held_a_minute_and_never_says_better_than_the_value(steps):
    order = [HealthState.HEALTHY, HealthState.DEGRADED, HealthState.UNHEALTHY]
    now, previous = 0.0, None
    for seconds, mean in steps:
        now += seconds
        found = said(replace(FINE, mean_s=mean), at_s=now, previous=previous)
        plain = said(replace(FINE, mean_s=mean), at_s=now)
        assert order.index(found.state) >= order.index(plain.state)
        if previous is not None and order.index(found.state) < order.index(previous.state):
            assert found.at_ns - previous.since_ns >= HOLD_S * SECOND_NS
        previous = found


def test_limits_are_written_as_in_the_setting():
    found = thresholds_from("success_rate=0.99/0.9, mean_s=off, p95_s=30/60, lost=1")
    assert found == Thresholds(Limit(0.99, 0.9), Limit(), Limit(30.0, 60.0), Limit(), Limit(1.0))
    assert thresholds_from("") == Thresholds()
    assert said(replace(FINE, p95_s=31.0), thresholds=found).state == "degraded"
    assert said(replace(FINE, succeeded=98, failed=2), thresholds=found).state == "degraded"


@pytest.mark.parametrize(
    "text",
    [
        "speed=1/2",
        "mean_s",
        "mean_s=fast",
        "mean_s=1/",
        "success_rate=0.9/x",
        "mean_s=nan",
        "lost=-1",
        "p95_s=inf",
        "success_rate=95/90",
        "unpriced_share=1.5",
    ],
)
def test_limits_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        thresholds_from(text)


# What it is measured by -------------------------------------------------------------------------------------------


def a_series(metric, number, **labels):
    """A series that stood at zero before the window and at `number` of observations or calls in it."""
    bounds = metric.buckets if metric.kind == "histogram" else ()
    pairs = tuple(sorted((getattr(names, key), text) for key, text in labels.items()))
    identity = Identity(metric.name, metric.kind, metric.unit, names.SCOPE, pairs, bounds)

    def packed(n):
        if not bounds:
            return pack((float(n),))
        return pack((2.0 * n, 2.0, 2.0, *(float(n) if bound == 2.56 else 0.0 for bound in (*bounds, None))))

    start = WINDOW.start_ns
    return Series(identity, (Sample(start - 5, packed(0), anchor=True), Sample(start + 5, packed(number))), NOW)


def finder(*series):
    return lambda name: [each for each in series if each.identity.name == name]


def test_requests_are_counted_where_there_are_any():
    found = measured(
        finder(
            a_series(names.REQUEST_DURATION, 90, OUTCOME="ok"),
            a_series(names.REQUEST_DURATION, 10, OUTCOME="error", ERROR_TYPE="timeout"),
            a_series(names.REQUEST_DURATION, 5, OUTCOME="cancelled"),
            a_series(names.REQUEST_DURATION, 3, OUTCOME="refused"),
            a_series(names.CALLS, 300, CALL_STATUS="ok"),
            a_series(names.CALLS, 7, CALL_STATUS="refused"),
            a_series(names.UNPRICED_CALLS, 30),
            a_series(names.TELEMETRY_DROPPED, 2),
        ),
        WINDOW,
    )
    assert (found.counted, found.succeeded, found.failed, found.neither) == ("requests", 90, 10, 8)
    assert (found.mean_s, found.errors, found.calls, found.unpriced, found.lost) == (
        2.0,
        (("timeout", 10),),
        300,
        30,
        2,
    )


def test_without_requests_model_calls_are_counted():
    found = measured(
        finder(
            a_series(names.REQUEST_DURATION, 0, OUTCOME="ok"),
            a_series(names.CALLS, 18, CALL_STATUS="ok"),
            a_series(names.CALLS, 2, CALL_STATUS="error"),
            a_series(names.CALLS, 4, CALL_STATUS="abandoned"),
            a_series(names.INFERENCE_DURATION, 18),
            a_series(names.INFERENCE_DURATION, 2, ERROR_TYPE="RateLimitError"),
        ),
        WINDOW,
    )
    assert (found.counted, found.succeeded, found.failed, found.neither) == ("model calls", 18, 2, 4)
    assert (found.mean_s, found.errors) == (2.0, (("RateLimitError", 2),))


def test_without_any_samples_nothing_is_known():
    found = measured(finder(), WINDOW)
    assert (found.succeeded, found.failed, found.mean_s, found.calls, found.lost) == (None, None, None, None, None)
