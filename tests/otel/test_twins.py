"""Two reports of one call beside each other are told from two calls."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwatch.core.call import Call, CallStatus, Usage
from spanwatch.otel.frames import Frame
from spanwatch.otel.twins import Twins

MS = 1_000_000
INNER = Call("i", "chat", 10 * MS, 20 * MS, request_model="m", scope="spanwatch", usage=Usage(10, 5))
OUTER = dataclasses.replace(INNER, call_id="o", started_ns=9 * MS, ended_ns=21 * MS, scope="a.framework")
BEFORE = dataclasses.replace(OUTER, request_model="another", started_ns=1, ended_ns=2, scope="a.second")


def began_on(thread):
    frame = Frame(lambda: None, None)
    frame.thread = thread
    return frame


class Told:
    """The calls of a process, each reported at its end."""

    def __init__(self, *known, thread=1):
        self.now = 0
        self.twins = Twins(lambda: self.now)
        for call in (BEFORE, *known):
            self.now = call.ended_ns
            self.twins.counted(call, began_on(thread))

    def of(self, call, thread=1, at=None):
        self.now = at or call.ended_ns
        told = self.twins.of(call, None if thread is None else began_on(thread))
        return None if told is None else told[0]


def test_a_report_around_a_counted_call_repeats_it_and_one_inside_too():
    assert Told(INNER).of(OUTER) is INNER
    assert Told(OUTER).of(INNER) is OUTER
    assert Told(INNER).of(OUTER, thread=2) is INNER  # the same tokens


def test_a_span_lasts_until_it_is_reported_whatever_end_it_states():
    early = dataclasses.replace(OUTER, ended_ns=9 * MS + 1)
    assert Told(INNER).of(early, at=21 * MS) is INNER
    assert Told(INNER).of(early) is None


def test_without_usage_the_thread_or_the_trace_decides():
    inner, unknown = dataclasses.replace(INNER, scope="a.client"), dataclasses.replace(OUTER, usage=None)
    assert Told(inner).of(unknown) is inner
    assert Told(inner).of(unknown, thread=2) is None
    assert Told(inner).of(unknown, thread=None) is None
    traced = [dataclasses.replace(inner, trace_id=trace) for trace in ("t", "u")]
    assert Told(traced[0]).of(dataclasses.replace(unknown, trace_id="t"), thread=2) is traced[0]
    assert Told(traced[1]).of(dataclasses.replace(unknown, trace_id="t"), thread=2) is None


def test_without_usage_one_of_our_own_site_is_what_is_around_it_in_time_whatever_its_thread():
    unknown = dataclasses.replace(OUTER, usage=None)
    assert Told(INNER).of(unknown, thread=2) is INNER
    assert Told(unknown).of(INNER, thread=2) is unknown
    short = dataclasses.replace(unknown, started_ns=11 * MS, ended_ns=12 * MS)
    assert Told(short).of(INNER, thread=2) is None
    later = dataclasses.replace(unknown, started_ns=11 * MS)
    assert Told(INNER).of(later, thread=2) is None


def test_of_attempts_within_one_report_it_is_the_one_with_its_tokens_or_its_end():
    failed = dataclasses.replace(INNER, call_id="f", usage=None, status=CallStatus.ERROR)
    answered = dataclasses.replace(INNER, call_id="a", started_ns=15 * MS)
    assert Told(failed, answered).of(OUTER) is answered
    unknown = dataclasses.replace(answered, usage=None)
    assert Told(failed, unknown).of(OUTER) is unknown
    assert Told(failed, unknown).of(dataclasses.replace(OUTER, usage=None, status=CallStatus.ERROR)) is failed


def test_what_was_answered_is_no_report_of_what_failed():
    failed = dataclasses.replace(INNER, usage=None, status=CallStatus.ERROR)
    assert Told(failed).of(OUTER) is None
    assert Told(failed).of(dataclasses.replace(OUTER, usage=None)) is failed  # some call a broken stream good


def test_of_several_at_once_it_is_the_one_that_began_nearest():
    ours = [dataclasses.replace(INNER, call_id=f"i{n}", started_ns=(10 + n) * MS) for n in range(3)]
    told = Told(ours[1], ours[2], ours[0])
    for n in (1, 0, 2):
        around = dataclasses.replace(OUTER, call_id=f"o{n}", started_ns=(10 + n) * MS - 1, usage=None)
        assert told.of(around, thread=n) is ours[n]


def test_of_many_at_once_each_is_repeated_once():
    ours = [dataclasses.replace(INNER, call_id=f"i{n}") for n in range(10)]
    told = Told(*ours)
    theirs = [told.of(dataclasses.replace(OUTER, call_id=f"o{n}", usage=None), thread=n) for n in range(11)]
    assert sorted(call.call_id for call in theirs[:10]) == sorted(call.call_id for call in ours)
    assert theirs[10] is None


@pytest.mark.parametrize(
    ("inner", "outer", "same"),
    [
        ("us.anthropic.claude-4", "claude-4", True),
        ("anthropic.claude-4", "global.anthropic.claude-4", True),
        ("us.anthropic.claude-4", "eu.anthropic.claude-4", False),
        ("gpt-4o", "mygpt-4o", False),
    ],
)
def test_a_name_that_one_of_them_cuts_at_the_front_is_the_same_model(inner, outer, same):
    known = dataclasses.replace(INNER, request_model=inner)
    assert (Told(known).of(dataclasses.replace(OUTER, request_model=outer)) is known) is same


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "spanwatch"},
        {"request_model": "n"},
        {"usage": Usage(11, 5)},
        {"started_ns": 20 * MS, "ended_ns": 30 * MS},
        {"operation": "embeddings"},
    ],
)
def test_other_calls_are_other_calls(change):
    assert Told(INNER).of(dataclasses.replace(OUTER, **change)) is None


def test_other_answers_are_other_calls_and_one_call_is_repeated_once_by_each_scope():
    answered = dataclasses.replace(INNER, response_id="r1")
    told = Told(answered)
    assert told.of(dataclasses.replace(OUTER, response_id="r2")) is None
    assert told.of(OUTER) is answered
    assert told.of(OUTER) is None
    assert told.of(dataclasses.replace(OUTER, scope="a.third")) is answered


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20), st.integers(0, 3)), max_size=40))
def test_one_scope_alone_never_repeats_itself(spans):
    told = Told()
    for start, length, thread in spans:
        call = dataclasses.replace(INNER, started_ns=start * MS, ended_ns=(start + length) * MS)
        assert told.of(call, thread) is None
        told.twins.counted(call, began_on(thread))
