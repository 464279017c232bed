"""Estimates: upper bounds, by tokens and by money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.budgets import Asked, Estimate, estimate
from spanwatch.core.budgets.estimates import DEFAULT_CONTEXT, DEFAULT_OUTPUT, FRAME_TOKENS
from spanwatch.core.call import Cost, CostReason, CostStatus, Usage

UNKNOWN = Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))


def rates(given_rate, made_rate, write_rate=0, long_rate=0):
    """A price with a surcharge for tokens written to a cache, for five minutes or an hour."""

    def price(usage):
        nano = usage.input_tokens * given_rate + usage.output_tokens * made_rate
        nano += (usage.cache_write_tokens or 0) * write_rate + (usage.cache_write_1h_tokens or 0) * long_rate
        return Cost(nano, CostStatus.PRICED)

    return price


def test_bytes_bound_the_input_and_max_tokens_the_output_of_every_choice():
    asked = Asked("gpt-4o-mini", input_bytes=1_000, max_output_tokens=100, choices=3, context_limit=128_000)
    assert estimate(asked, rates(150, 600)) == Estimate(1_064, 300, 1_064 * 150 + 300 * 600)
    assert estimate(asked, rates(150, 600)).tokens == 1_364


def test_text_that_is_not_at_hand_counts_as_much_as_the_model_can_read():
    asked = Asked("gpt-4o", input_bytes=10, whole=False, max_output_tokens=1, context_limit=128_000)
    assert estimate(asked, rates(1, 1)).input_tokens == 128_000
    assert estimate(Asked("gpt-4o", max_output_tokens=1), rates(1, 1)).input_tokens == DEFAULT_CONTEXT


def test_no_more_input_is_counted_than_the_model_takes():
    assert estimate(Asked("m", input_bytes=10**7, context_limit=8_192), rates(1, 1)).input_tokens == 8_192


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("gpt-4o-mini-2024-07-18", 16_384),
        ("openai/gpt-5-nano", 128_000),
        ("gpt-4.1", 32_768),
        ("gpt-4-0613", 8_192),
        ("o1-mini", 65_536),
        ("ft:gpt-4o-mini:acme", 16_384),
        ("my-model", DEFAULT_OUTPUT),
        (None, DEFAULT_OUTPUT),
    ],
)
def test_without_max_tokens_the_models_longest_answer_or_the_stated_default_counts(model, limit):
    assert estimate(Asked(model, input_bytes=0, choices=2), rates(1, 1)).output_tokens == 2 * limit


def test_a_stated_limit_of_the_model_wins_and_bounds_what_was_asked_for():
    assert estimate(Asked("gpt-4o", output_limit=500), rates(1, 1)).output_tokens == 500
    assert estimate(Asked("gpt-4o", max_output_tokens=10**9), rates(1, 1)).output_tokens == 16_384
    assert estimate(Asked("mine", max_output_tokens=10**6), rates(1, 1)).output_tokens == 10**6


def test_embeddings_make_no_output():
    assert estimate(Asked("text-embedding-3-small", input_bytes=0, produces=False), rates(1, 9)) == Estimate(64, 0, 64)


def test_the_dearest_way_to_bill_counts():
    asked = Asked("claude", input_bytes=36, max_output_tokens=0)
    assert estimate(asked, rates(4, 1, write_rate=1, long_rate=4)).nano_usd == 100 * 8
    assert estimate(asked, rates(4, 1, write_rate=1)).nano_usd == 100 * 5


def test_no_price_is_unknown_and_not_zero():
    assert estimate(Asked("mine", input_bytes=1), lambda _: UNKNOWN).nano_usd is None


def test_a_lower_bound_counts_only_where_nothing_better_is_known():
    partial = Cost(9, CostStatus.PARTIAL)

    def price(usage):
        return Cost(5, CostStatus.PRICED) if usage.cache_write_tokens is None else partial

    assert estimate(Asked("m"), price).nano_usd == 5
    assert estimate(Asked("m"), lambda _: partial).nano_usd == 9


@given(
    text=st.text(max_size=200),
    made=st.integers(0, 1_000),
    cached=st.floats(0, 1),
    written=st.booleans(),
    choices=st.integers(1, 4),
)
def test_no_call_within_its_bounds_costs_more_than_the_estimate(text, made, cached, written, choices):
    price = rates(1_500, 6_000, write_rate=375)
    size = len(text.encode("utf-8", "surrogatepass"))
    most = estimate(Asked("gpt-4o", input_bytes=size, max_output_tokens=1_000, choices=choices), price)
    real = Usage(size, made * choices, cache_write_tokens=int(size * cached) if written else 0)
    assert price(real).nano_usd <= most.nano_usd
    assert size + made * choices <= most.tokens
    assert most.input_tokens == size + FRAME_TOKENS
