from dataclasses import replace

import pytest

from spanwatch.core.attributes import (
    Totals,
    cost_attributes,
    is_unpriced,
    response_attributes,
    rollup_attributes,
    usage_attributes,
)
from spanwatch.core.call import Call, CallStatus, Cost, CostReason, CostStatus, Usage

COST = Cost(1_500_000, CostStatus.PRICED, source="genai-prices", price_version="v")
UNKNOWN = Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))
CALL = Call(
    call_id="id", operation="chat", started_ns=0, ended_ns=1, usage=Usage(input_tokens=10, output_tokens=0), cost=COST
)


def test_a_cost_is_dollars_under_our_name_and_the_compatible_ones():
    assert cost_attributes(COST, ("gen_ai.usage.cost", "llm.cost")) == {
        "spanwatch.cost.status": "priced",
        "spanwatch.cost.usd": 0.0015,
        "gen_ai.usage.cost": 0.0015,
        "llm.cost": 0.0015,
        "spanwatch.cost.source": "genai-prices",
        "spanwatch.cost.price_version": "v",
    }


def test_an_unknown_cost_has_no_amount_under_any_name():
    assert cost_attributes(UNKNOWN) == {"spanwatch.cost.status": "unknown", "spanwatch.cost.reason": "no_price"}


def test_only_known_counts_are_attributes_and_a_reported_zero_is_one():
    assert usage_attributes(Usage(input_tokens=0, other=(("web_searches", 2),))) == {
        "gen_ai.usage.input_tokens": 0,
        "spanwatch.usage.web_searches": 2,
    }


def test_what_came_back_is_described_by_the_convention():
    call = replace(
        CALL,
        response_id="r",
        response_model="m",
        finish_reasons=("stop",),
        stream=True,
        time_to_first_chunk_s=1,
        chunks=3,
    )
    assert response_attributes(call) == {
        "spanwatch.call.id": "id",
        "gen_ai.response.id": "r",
        "gen_ai.response.model": "m",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 1.0,
        "spanwatch.call.chunks": 3,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 0,
    }


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (replace(CALL, status=CallStatus.ERROR), {"spanwatch.call.status": "error", "error.type": "_OTHER"}),
        (
            replace(CALL, status=CallStatus.ERROR, error_type="429"),
            {"spanwatch.call.status": "error", "error.type": "429"},
        ),
        (replace(CALL, status=CallStatus.ABANDONED), {"spanwatch.call.status": "abandoned"}),
        (replace(CALL, user_id="u", conversation_id="c"), {"user.id": "u", "gen_ai.conversation.id": "c"}),
    ],
)
def test_how_it_ended_and_for_whom(call, found):
    assert response_attributes(call).items() >= found.items()


def test_a_fetched_response_has_no_usage():
    assert "gen_ai.usage.input_tokens" not in response_attributes(replace(CALL, operation="fetch_response"))


@pytest.mark.parametrize(
    ("status", "cost", "unpriced"),
    [
        (CallStatus.OK, COST, False),
        (CallStatus.OK, UNKNOWN, True),
        (CallStatus.OK, None, True),
        (CallStatus.ABANDONED, UNKNOWN, True),
        (CallStatus.CANCELLED, UNKNOWN, True),
        (CallStatus.ERROR, UNKNOWN, False),
        (CallStatus.REFUSED, None, False),
    ],
)
def test_unpriced_is_what_may_be_billed_and_has_no_known_cost(status, cost, unpriced):
    assert is_unpriced(replace(CALL, status=status, cost=cost)) is unpriced


def test_sums_are_left_out_until_something_is_known():
    totals = Totals()
    totals.add(replace(CALL, usage=None, cost=UNKNOWN))
    assert rollup_attributes(totals) == {
        "spanwatch.rollup.calls": 1,
        "spanwatch.rollup.errors": 0,
        "spanwatch.rollup.unpriced_calls": 1,
    }
    totals.add(CALL)
    totals.add(replace(CALL, status=CallStatus.ERROR, usage=None, cost=None))
    assert rollup_attributes(totals) == {
        "spanwatch.rollup.calls": 3,
        "spanwatch.rollup.errors": 1,
        "spanwatch.rollup.unpriced_calls": 1,
        "spanwatch.rollup.cost.usd": 0.0015,
        "spanwatch.rollup.input_tokens": 10,
        "spanwatch.rollup.output_tokens": 0,
    }


def test_usage_that_comes_late_is_added_and_no_call():
    totals, before = Totals(), replace(CALL, usage=None, cost=UNKNOWN)
    totals.add(before)
    totals.settle(before, CALL)
    assert (totals.calls, totals.unpriced, totals.nano_usd, totals.input_tokens) == (1, 0, 1_500_000, 10)
