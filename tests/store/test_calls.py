"""Stored calls, read back: what was recorded, null where it was unknown, in order, in bounded memory."""

import tracemalloc

import pytest

from spanwatch.core.call import Cost, CostReason, CostStatus, Usage
from spanwatch.core.errors import StoreError
from spanwatch.store.calls import calls
from spanwatch.store.projection import project
from tests.store.rig import SECOND, START_NS, call, keep, new_id, unknown


def stored(home, *made, **window):
    keep(home, *made)
    project(home)
    return list(calls(home, **window))


def test_a_call_comes_back_as_it_was_recorded(tmp_path):
    usage = Usage(input_tokens=100, output_tokens=10, cache_read_tokens=40, input_audio_tokens=3, other=(("web", 2),))
    cost = Cost(7, CostStatus.PARTIAL, (CostReason.UNPRICED_UNITS,), source="user", price_version="v")
    made = call(
        usage=usage, cost=cost, stream=True, time_to_first_chunk_s=0.25, finish_reasons=("stop", "length"),
        user_id="alice", conversation_id="t-1", agent="orders", service_tier="flex", response_id="resp_1",
        parent_span_id=new_id(16), sampled=False,
    )  # fmt: skip
    (found,) = stored(tmp_path, made)
    for name in (
        *("trace_id", "span_id", "parent_span_id", "operation", "provider", "request_model", "response_model"),
        *("response_id", "started_ns", "stream", "time_to_first_chunk_s", "error_type", "finish_reasons", "user_id"),
        *("conversation_id", "agent", "service_tier", "call_id", "sampled"),
    ):
        assert getattr(found, name) == getattr(made, name), name
    assert found.duration_ns == SECOND
    assert found.usage == {
        "input_tokens": 100,
        "cache_read_tokens": 40,
        "cache_write_tokens": None,
        "output_tokens": 10,
        "reasoning_tokens": None,
        "input_audio_tokens": 3,
        "web": 2,
    }
    assert (found.nano_usd, found.cost_status, found.cost_reason) == (7, "partial", "unpriced_units")
    assert (found.cost_source, found.price_version, found.status, found.service) == ("user", "v", "ok", "svc")
    assert found.counted is True


def test_unknown_is_none_and_a_known_zero_is_zero(tmp_path):
    blank = call(response_model=None, trace_id=None, span_id=None, **unknown())
    zero = call(usage=Usage(input_tokens=0), cost=Cost(0, CostStatus.PRICED), started_ns=START_NS + 1)
    first, second = stored(tmp_path, blank, zero)
    assert (first.usage, first.nano_usd, first.trace_id, first.time_to_first_chunk_s) == (None, None, None, None)
    assert (first.cost_status, first.cost_reason, first.model) == ("unknown", "no_usage", "gpt-4o")
    assert (second.usage["input_tokens"], second.usage["output_tokens"], second.nano_usd) == (0, None, 0)


def test_calls_come_oldest_first_within_the_window(tmp_path):
    made = [call(started_ns=START_NS + n * SECOND, call_id=f"{n:032x}") for n in (3, 1, 2, 0)]
    found = stored(tmp_path, *made, since_ns=START_NS + SECOND, until_ns=START_NS + 3 * SECOND)
    assert [int(each.call_id, 16) for each in found] == [1, 2]


@pytest.mark.parametrize(("limit", "kept"), [(1, [3]), (2, [2, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
def test_a_limit_keeps_the_newest(tmp_path, limit, kept):
    found = stored(tmp_path, *(call(call_id=f"{n:032x}") for n in range(4)), limit=limit)
    assert [int(each.call_id, 16) for each in found] == kept


def test_reading_all_calls_takes_bounded_memory(tmp_path):
    keep(tmp_path, *(call() for _ in range(6000)))
    project(tmp_path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in calls(tmp_path)) == 6000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_directory_without_a_store_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match=r"no store in .*spanwatch run -- python app.py"):
        next(calls(tmp_path))
