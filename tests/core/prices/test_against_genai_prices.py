"""The engine and genai-prices' own arithmetic agree wherever no correction of ours applies."""

import warnings
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_units import unit_data
from hypothesis import given, settings
from hypothesis import strategies as st

from spanwatch.core.call import CostReason
from spanwatch.core.prices import usage_of
from spanwatch.core.prices.engine import cost_of, rounded
from spanwatch.core.prices.plan import compile_plan
from spanwatch.core.prices.rates import Quote, Rate
from tests.core.prices.rig import NOON, nanoseconds, shipped_book

HALF_A_NANO = Decimal("0.0000000005")


def spelled(clause):
    """Names that a clause lets through, shortest guess first."""
    match clause:
        case types.ClauseOr(or_=parts) | types.ClauseAnd(and_=parts):
            return [name for part in parts for name in spelled(part)]
        case types.ClauseRegex():
            return []
    return [next(iter(vars(clause).values()))]


def named():
    """(provider, model, a name that finds it) for every model that some name finds."""
    for provider in providers:
        for model in provider.models:
            for name in (model.id, *spelled(model.match)):
                if provider.find_model(name, all_providers=list(providers)) is model:
                    yield provider, model, name
                    break


MODELS = {f"{provider.id} {name}": (provider, model, name) for provider, model, name in named()}


@st.composite
def usages(draw):
    """Input and output with parts that fit in them."""
    total, made = draw(st.integers(0, 2_000_000)), draw(st.integers(0, 100_000))
    read = draw(st.integers(0, total))
    written = draw(st.integers(0, total - read))
    hour = draw(st.integers(0, written))
    counts = {"input_tokens": total, "output_tokens": made}
    parts = {
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": hour,
        "output_reasoning_tokens": draw(st.integers(0, made)),
        "input_audio_tokens": draw(st.integers(0, total - read - written)),
        "cache_audio_read_tokens": 0,
        "output_audio_tokens": draw(st.integers(0, made)),
        "web_searches": draw(st.integers(0, 20)),
    }
    return counts | {name: parts[name] for name in draw(st.sets(st.sampled_from(sorted(parts))))}


def theirs(provider, model, counts, at):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of units without a price; we have a status for that
        return model.calc_price(types.Usage(**counts), provider, genai_request_timestamp=at)


def test_nearly_every_model_of_the_data_has_a_name_that_finds_it():
    assert len(MODELS) > 0.97 * sum(len(provider.models) for provider in providers)


@settings(max_examples=600, deadline=None)
@given(place=st.sampled_from(sorted(MODELS)), counts=usages(), days=st.integers(0, 600))
def test_our_cost_is_theirs_rounded_once(place, counts, days):
    provider, model, name = MODELS[place]
    if {"cache_write_1h_tokens"} & counts.keys() and "cache_write_tokens" not in counts:
        counts["cache_write_tokens"] = counts["cache_write_1h_tokens"]
    at = NOON.fromtimestamp(NOON.timestamp() - 86_400 * days, NOON.tzinfo)
    found = shipped_book().price(usage_of(counts), provider=provider.id, model=name, at_ns=nanoseconds(at))
    if found.nano_usd is None:
        assert found.reasons[0] in {CostReason.NO_PRICE, CostReason.SUBSCRIPTION}
        return
    if found.source != "genai-prices":
        return
    try:
        expected = theirs(provider, model, counts, at)
    except ValueError:  # it refuses overlaps that it cannot take apart
        return
    assert abs(found.usd - expected.total_price) <= HALF_A_NANO
    assert abs(Decimal(found.input_nano_usd).scaleb(-9) - expected.input_price) <= HALF_A_NANO
    assert abs(Decimal(found.output_nano_usd).scaleb(-9) - expected.output_price) <= HALF_A_NANO


@pytest.mark.parametrize("seconds", [0, 3, 10, 61.5])
@pytest.mark.parametrize("model", ["whisper-large-v3", "whisper-large-v3-turbo"])
def test_the_correction_for_short_audio_agrees_with_theirs(model, seconds):
    groq = next(provider for provider in providers if provider.id == "groq")
    counts = {"audio_seconds": seconds}
    found = shipped_book().price(usage_of(counts), provider="groq", model=model, at_ns=nanoseconds(NOON))
    assert abs(found.usd - theirs(groq, groq.find_model(model), counts, NOON).total_price) <= HALF_A_NANO


PRICES = st.decimals(min_value=0, max_value=1000, places=12).map(Fraction)


@settings(max_examples=300, deadline=None)
@given(price=PRICES, other=PRICES, count=st.integers(0, 10**9), more=st.integers(0, 10**9))
def test_a_cost_is_exact_until_it_is_rounded_once_half_to_even(price, other, count, more):
    plan = compile_plan(Quote({"input_tokens": Rate(price), "output_tokens": Rate(other)}, "user", "x/y", "1"))
    found = cost_of(plan, usage_of({"input_tokens": count, "output_tokens": more}))
    assert found.nano_usd == round((price * count + other * more) * 1000)


@settings(max_examples=300, deadline=None)
@given(amounts=st.lists(st.integers(0, 10**30), max_size=20), seed=st.randoms(use_true_random=False))
def test_sums_of_nano_usd_do_not_depend_on_their_order(amounts, seed):
    nanos = [rounded(amount, 10**9) for amount in amounts]
    shuffled = list(nanos)
    seed.shuffle(shuffled)
    assert sum(nanos) == sum(shuffled)
    assert abs(sum(nanos) - sum(amounts) / Fraction(10**9)) <= Fraction(len(amounts), 2)


@given(whole=st.integers(0, 10**12))
def test_a_tie_goes_to_the_even_neighbour(whole):
    assert rounded(whole * 2, 2) == whole
    assert rounded(whole * 2 + 1, 2) == whole + (whole & 1)


def test_the_unit_table_is_the_one_that_the_engine_reads():
    names = {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_1h_tokens", "web_searches", "requests"}
    assert names <= unit_data.keys()
    assert unit_data["requests"]["per"] == 1000
