"""The book: one call at a time, whatever its report left out, bounded and safe to share."""

import decimal
import resource
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.call import USAGE_FIELDS, Call, CallStatus, CostReason, CostStatus, Usage
from spanwatch.core.prices import PriceBook
from spanwatch.core.prices.book import PLANS
from tests.core.prices.rig import NOON, book_of, nanoseconds, shipped_book, usd

USED = Usage(input_tokens=1000, output_tokens=1000)
START = nanoseconds(NOON)
CALL = Call(
    call_id="1",
    operation="chat",
    started_ns=START,
    ended_ns=START + 2_500_000_000,
    provider="openai",
    request_model="gpt-4o",
    response_model="gpt-4o-2024-08-06",
    usage=USED,
)


def priced(book=None, **changes):
    return (book or shipped_book()).price_call(replace(CALL, **changes))


@pytest.mark.parametrize(
    ("changes", "dollars", "status", "reasons"),
    [
        ({}, "0.0125", "priced", []),
        ({"response_model": "gpt-4o-mini", "request_model": "gpt-4o"}, "0.00075", "priced", []),
        ({"response_model": "in-house", "request_model": "gpt-4o"}, "0.0125", "approximate", ["request_model"]),
        ({"response_model": None}, "0.0125", "approximate", ["request_model"]),
        ({"response_model": None, "request_model": None}, None, "unknown", ["no_model"]),
        ({"response_model": "in-house", "request_model": "prod-chat"}, None, "unknown", ["no_price"]),
        ({"response_model": "in-house", "request_model": "in-house"}, None, "unknown", ["no_price"]),
        ({"provider": "_OTHER"}, "0.0125", "approximate", ["provider_assumed"]),
        (
            {"provider": "_OTHER", "response_model": "local", "request_model": "gpt-4o"},
            "0.0125",
            "approximate",
            ["provider_assumed", "request_model"],
        ),
        ({"usage": None}, None, "unknown", ["no_usage"]),
        ({"usage": Usage()}, None, "unknown", ["no_usage"]),
        ({"usage": None, "response_model": "in-house"}, None, "unknown", ["no_usage"]),
        ({"usage": Usage(input_tokens=5, cache_read_tokens=-1)}, None, "unknown", ["inconsistent_usage"]),
        (
            {"usage": Usage(input_tokens=5), "response_model": None}, "0.0000125", "partial",
            ["no_usage", "request_model"],
        ),
        ({"status": CallStatus.REFUSED}, None, "unknown", ["not_billed"]),
        ({"status": CallStatus.ERROR, "usage": None}, None, "unknown", ["no_usage"]),
        ({"price_context": (("service_tier", "priority"),)}, "0.02125", "priced", []),
        ({"price_context": (("service_tier", ["odd"]),)}, "0.0125", "approximate", ["unknown_context"]),
        ({"price_context": (("usage", "estimated"),)}, "0.0125", "estimated", ["usage_estimated"]),
        ({"price_context": (("usage", "reported"),)}, "0.0125", "priced", []),
        (
            {"price_context": (("usage", "estimated"),), "response_model": None},
            "0.0125", "estimated", ["usage_estimated", "request_model"],
        ),
        (
            {"price_context": (("usage", "estimated"),), "usage": Usage(input_tokens=5)},
            "0.0000125", "partial", ["no_usage", "usage_estimated"],
        ),
        ({"price_context": (("usage", "estimated"),), "usage": None}, None, "unknown", ["no_usage"]),
        ({"started_ns": 0, "ended_ns": 0}, "0.0125", "priced", []),
        ({"started_ns": -1}, "0.0125", "priced", []),
        ({"started_ns": 1 << 70}, "0.0125", "priced", []),
        ({"server_address": "eu.api.openai.com"}, "0.0125", "priced", []),
        ({"server_address": "eu.api.openai.com", "response_model": "gpt-5.5"}, "0.0385", "priced", []),
        (
            {"server_address": "europe-west1-aiplatform.googleapis.com", "provider": "gcp.vertex_ai",
             "response_model": "claude-sonnet-4-5@20250929"},
            "0.0198", "priced", [],
        ),
    ],
)  # fmt: skip
def test_a_call_is_priced_by_what_is_known_of_it(changes, dollars, status, reasons):
    found = priced(**changes)
    assert (usd(found), found.status, list(found.reasons)) == (dollars, status, reasons)


def test_what_the_server_states_wins_over_every_list():
    found = priced(provider_cost_nano_usd=42, usage=None)
    assert (found.nano_usd, found.status, found.source, found.price_version) == (42, "priced", "provider", None)


def test_a_stated_0_for_a_call_that_a_list_prices_is_a_key_of_one_s_own_billed_elsewhere():
    found = priced(provider_cost_nano_usd=0)
    assert (usd(found), found.source) == ("0.0125", "genai-prices")


def test_a_stated_0_for_what_no_list_prices_is_taken_at_its_word():
    found = priced(provider_cost_nano_usd=0, response_model="local", request_model="local")
    assert (found.nano_usd, found.source) == (0, "provider")


def test_a_scope_known_to_leave_cached_tokens_out_is_put_right():
    usage = Usage(input_tokens=8000, cache_read_tokens=8000, output_tokens=0)
    changes = {"provider": "anthropic", "response_model": "claude-sonnet-4-5", "usage": usage}
    assert usd(priced(**changes)) == "0.0024"
    found = priced(**changes, scope="openlit.otel.tracing")
    assert (usd(found), found.reasons) == ("0.0264", (CostReason.USAGE_EXCLUSIVE,))


def test_a_price_per_second_takes_the_call_s_own_duration_and_needs_no_usage():
    book = book_of('[[price]]\nmodel = "llama"\nper_second = "0.001"')
    found = priced(book, provider="_OTHER", response_model="llama", usage=None)
    assert (usd(found), found.status, found.source) == ("0.0025", "priced", "user")


def test_what_is_free_costs_a_known_0_whatever_was_reported_or_guessed():
    book = book_of('[[price]]\nmodel = "local-"\nmatch = "prefix"\nfree = true')
    for usage, context in ((USED, ()), (USED, (("usage", "estimated"),)), (None, ())):
        found = priced(book, provider="_OTHER", response_model="local-1", usage=usage, price_context=context)
        assert (found.nano_usd, found.status, found.source) == (0, CostStatus.PRICED, "user")


def test_tens_of_thousands_of_made_up_names_leave_no_memory_behind():
    book = PriceBook()
    for number in range(PLANS):
        priced(book, response_model=f"made-up-{number}", request_model=None, price_context=(("k", str(number)),))
    before = peak()
    for number in range(30_000):
        priced(book, response_model=f"invented-{number}", request_model=None, price_context=(("k", f"x{number}"),))
    assert peak() - before < 8 * 1024  # KiB
    for remembered in (book._plan, book._planned):
        assert remembered.cache_info().currsize == remembered.cache_info().maxsize <= PLANS


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_plan_is_compiled_once_per_quarter_hour():
    book = PriceBook()
    for minute in range(15):
        priced(book, started_ns=START + minute * 60 * 10**9)
    assert book._plan.cache_info().misses == 1
    priced(book, started_ns=START + 15 * 60 * 10**9)
    assert book._plan.cache_info().misses == 2


@pytest.mark.parametrize("traps", [[], [decimal.Inexact, decimal.Rounded, decimal.InvalidOperation]])
def test_the_thread_s_decimal_context_changes_no_price(traps):
    usage = Usage(input_tokens=123_456, cache_read_tokens=7, output_tokens=98_765)
    expected = PriceBook().price_call(replace(CALL, usage=usage))
    with decimal.localcontext(prec=2, traps=traps, rounding=decimal.ROUND_UP):
        found = PriceBook().price_call(replace(CALL, usage=usage))
        assert f"{found.usd:f}" == "1.29628125"
    assert found == expected


def test_threads_share_a_book():
    book, found = PriceBook(), []
    expected = [priced(response_model=name).nano_usd for name in ("gpt-4o", "gpt-4o-mini", "o3", "gpt-5")]

    def work():
        for _ in range(50):
            book._plan.cache_clear()
            found.append([priced(book, response_model=n).nano_usd for n in ("gpt-4o", "gpt-4o-mini", "o3", "gpt-5")])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 400
    assert all(each == expected for each in found)


def test_the_version_names_the_data_and_the_user_s_file():
    assert shipped_book().version.startswith("genai-prices 0.2.")
    assert shipped_book().as_of >= "2026-11-03"
    book = book_of('[[price]]\nmodel = "m"\nfree = true')
    assert book.version.startswith(f"{shipped_book().version} + prices.toml ")


@pytest.mark.parametrize(
    ("counts", "detail"),
    [
        ({"input_tokens": -1}, "the parts of input_tokens are 1 more than it, or it is negative"),
        ({"input_tokens": 10, "cache_read_tokens": -5}, "cache_read_tokens (-5) does not fit in input_tokens (10)"),
        ({"output_audio_tokens": 10, "output_image_tokens": -5}, "output_image_tokens is negative (-5)"),
    ],
)
def test_a_negative_count_is_named_and_never_priced(counts, detail):
    found = priced(usage=Usage(**counts))
    assert (found.nano_usd, found.reason, found.detail) == (None, "inconsistent_usage", detail)


MODELS = ["gpt-4o", "gpt-4o-audio-preview", "gpt-image-1", "claude-sonnet-4-5", "gemini-2.5-pro"]


@given(st.sampled_from(MODELS), st.dictionaries(st.sampled_from(USAGE_FIELDS), st.sampled_from([-5, 0, 3, 10, 0.5])))
def test_counts_of_any_sign_have_a_cost_that_is_not_negative_or_none(model, counts):
    found = priced(provider=None, request_model=model, response_model=model, usage=Usage(**counts))
    assert found.nano_usd is None or found.nano_usd >= 0
    assert (found.nano_usd is None) is (found.status is CostStatus.UNKNOWN)
