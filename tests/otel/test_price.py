"""`spanwatch.price()` at its border, and what is said of models without a price."""

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

import spanwatch
from spanwatch.core.errors import ConfigurationError, PriceDataError
from spanwatch.otel import price as pricing_module
from spanwatch.otel.price import InForce
from spanwatch.otel.price_file import MAX_TOLD, Pricing
from tests.core.prices.rig import book_of, shipped_book
from tests.core.prices.test_book import CALL

USED = {"input_tokens": 1000, "output_tokens": 1000}


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A process that has read no prices yet, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPANWATCH_PRICES", "SPANWATCH_HOME", "SPANWATCH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pricing_module, "IN_FORCE", InForce())
    return tmp_path


@pytest.mark.parametrize(
    "usage",
    [
        spanwatch.Usage(input_tokens=1000, output_tokens=1000),
        USED,
        {"prompt_tokens": 1000, "completion_tokens": 1000},
        {**USED, "cache_read_tokens": None},
        {"input_tokens": Decimal(1000), "output_tokens": 1000.0},
    ],
)
def test_usage_comes_as_a_usage_or_as_counts(fresh, usage):
    assert spanwatch.price(usage, provider="openai", model="gpt-4o").usd == Decimal("0.0125")


@pytest.mark.parametrize(
    ("at", "dollars"),
    [
        (None, "0.01"),
        ("2025-05-01", "0.05"),
        ("2025-06-10T00:00:00Z", "0.01"),
        (datetime(2025, 6, 9, 23, 59, 59, 999_999), "0.05"),  # noqa: DTZ001 (a time without zone is UTC)
        (datetime(2025, 6, 10, 1, tzinfo=timezone(timedelta(hours=2))), "0.05"),
        (datetime(2025, 6, 9, 23, tzinfo=timezone(timedelta(hours=-2))), "0.01"),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise_and_now_unless_given(fresh, at, dollars):
    assert spanwatch.price(USED, provider="openai", model="o3", at=at).usd == Decimal(dollars)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"usage": "gpt-4o"}, TypeError, "usage must be a Usage or a mapping of counts, not str"),
        ({"usage": None}, TypeError, "usage must be a Usage or a mapping of counts, not NoneType"),
        ({"usage": {"input_tokens": "1"}}, TypeError, "input_tokens must be a number, not str"),
        ({"usage": {"input_tokens": True}}, TypeError, "input_tokens must be a number, not bool"),
        ({"usage": {"input_tokens": float("nan")}}, ValueError, "input_tokens must be finite, not nan"),
        ({"usage": {"inputs": 1}}, ValueError, "unknown unit of usage 'inputs'"),
        ({"usage": {"prompt_tokens": 1, "input_tokens": 2}}, ValueError, "input_tokens is given twice"),
        ({"provider": 3}, TypeError, "provider must be a text, not int"),
        ({"model": ["m"]}, TypeError, "model must be a text, not list"),
        ({"at": 3}, TypeError, "at must be a datetime or an ISO 8601 text, not int"),
        ({"at": "yesterday"}, ValueError, "Invalid isoformat string: 'yesterday'"),
        ({"context": "flex"}, TypeError, "context must be a mapping such as"),
        ({"context": {"service_tier": []}}, TypeError, "context 'service_tier' must be a text"),
        ({"context": {3: "x"}}, TypeError, "context 3 must be a text"),
        ({"context": {"discount": 11}}, ValueError, "context 'discount' must be 0 or more and at most 10, not 11"),
        ({"context": {"discount": "a"}}, ValueError, "context 'discount' must be a number, not 'a'"),
        ({"context": {"discount": True}}, TypeError, "context 'discount' must be a number, not bool"),
        ({"context": {"duration_s": -1}}, ValueError, "context 'duration_s' must be 0 or more, not -1"),
        ({"context": {"stated_usd": -1}}, ValueError, "context 'stated_usd' must be 0 or more, not -1"),
        ({"context": {"aliases": "x"}}, TypeError, "context 'aliases' must map deployments to models, not str"),
        ({"context": {"aliases": {"a": 3}}}, TypeError, "context 'aliases' must map texts to texts"),
        ({"context": {"convention": 3}}, TypeError, "context 'convention' must be a text, not int"),
        ({"context": {"convention": "x"}}, ValueError, "context 'convention' must be 'inclusive' or 'exclusive'"),
    ],
)
def test_a_wrong_argument_is_named_at_the_call(fresh, arguments, error, says):
    call = {"usage": USED, "provider": "openai", "model": "gpt-4o", **arguments}
    with pytest.raises(error) as told:
        spanwatch.price(call.pop("usage"), **call)
    assert says in str(told.value)


@pytest.mark.parametrize(
    ("context", "dollars"),
    [
        ({"prices": {"input_mtok": "1", "output_mtok": "2"}}, "0.003"),
        ({"prices": {"input_mtok": "1", "output_mtok": "2"}, "discount": "0.5"}, "0.0015"),
        ({"prices": {"input_mtok": "1"}, "merge": True}, "0.011"),
        ({"per_second": "0.000694", "duration_s": 2.5}, "0.001735"),
        ({"free": True}, "0"),
        ({"add_per_request": "0.01"}, "0.0225"),
    ],
)
def test_prices_given_with_the_call_go_before_all_others(fresh, context, dollars):
    found = spanwatch.price(USED, provider="openai", model="gpt-4o", context=context)
    assert (f"{found.usd:f}", found.status, found.source) == (dollars, "priced", "user")


def test_a_wrong_price_given_with_the_call_is_told(fresh):
    with pytest.raises(ValueError, match="input_mtok = -1: must be between 0 and 1000000"):
        spanwatch.price(USED, model="m", context={"prices": {"input_mtok": -1}})


def test_the_user_s_price_file_is_in_force(fresh, monkeypatch):
    (fresh / "my.toml").write_text('[[price]]\nmodel = "in-house"\nfree = true', encoding="utf-8")
    monkeypatch.setenv("SPANWATCH_PRICES", str(fresh / "my.toml"))
    found = spanwatch.price(USED, model="in-house")
    assert (found.nano_usd, found.status, found.source) == (0, "priced", "user")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [(None, ConfigurationError, "cannot be read"), ("[[price]]", PriceDataError, "model = None: must be a text")],
)
def test_a_wrong_price_file_is_told_at_the_call(fresh, monkeypatch, text, error, says):
    if text is not None:
        (fresh / "my.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("SPANWATCH_PRICES", str(fresh / "my.toml"))
    with pytest.raises(error, match=says):
        spanwatch.price(USED, model="in-house")


def test_pricing_loads_no_opentelemetry_and_opens_no_connection(tmp_path):
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a connection')\n"
        "socket.socket.connect = refuse\n"
        "import spanwatch\n"
        "print(spanwatch.price({'input_tokens': 1000, 'output_tokens': 0}, provider='openai', model='gpt-4o').usd)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert answer.stdout == "0.0025\n[]\n"


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_model_without_a_price_is_told_once(caplog):
    pricing = Pricing(shipped_book())
    strange = replace(CALL, response_model="in-house", request_model="prod-chat")
    threads = [threading.Thread(target=pricing, args=(strange,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pricing(replace(strange, response_model="another"))
    assert warnings(caplog) == [
        f"spanwatch: no price for model '{name}' at openai: its calls are kept without a cost; "
        "give it one in your price file"
        for name in ("in-house", "another")
    ]


def test_what_has_a_price_or_only_lacks_usage_is_not_told(caplog):
    pricing = Pricing(book_of('[[price]]\nmodel = "in-house"\nfree = true'))
    assert pricing(CALL).status == "priced"
    assert pricing(replace(CALL, response_model="in-house")).status == "priced"
    assert pricing(replace(CALL, usage=None)).reason == "no_usage"
    assert warnings(caplog) == []


def test_a_program_that_makes_names_up_does_not_fill_the_log(caplog):
    pricing = Pricing(shipped_book())
    for number in range(MAX_TOLD + 50):
        pricing(replace(CALL, response_model=f"made-up-{number}", request_model=None))
    assert len(warnings(caplog)) == MAX_TOLD


def test_prices_that_are_configured_go_before_those_of_the_environment(fresh):
    assert spanwatch.price(USED, model="acme-1").usd is None
    book = book_of('[[price]]\nmodel = "acme-1"\nprices = { input_mtok = "1", output_mtok = "2" }')
    pricing_module.IN_FORCE.use(book)
    assert spanwatch.price(USED, model="acme-1").usd == Decimal("0.003")
    pricing_module.IN_FORCE.use(None)
    assert spanwatch.price(USED, model="acme-1").usd is None
