"""A user's price file: what it may say, and which price wins."""

import json
import time

import pytest

from spanwatch.core.errors import PriceDataError
from spanwatch.core.prices import overlay_from, overlay_of
from tests.core.prices.rig import book_of, cost, usd

M1 = {"input_tokens": 1000, "output_tokens": 1000}


def entry(**more):
    return {"model": "m1", "prices": {"input_mtok": "1", "output_mtok": "2"}, **more}


def file(*entries):
    return json.dumps({"price": entries})


@pytest.mark.parametrize(
    ("toml", "dollars"),
    [
        ('[[price]]\nmodel = "m1"\nprices = { input_mtok = "1", output_mtok = "2" }', "0.003"),
        ('[[price]]\nmodel = "m1"\nprices = { input_mtok = 1, output_mtok = 2.5 }', "0.0035"),
        ('# mine\n\n[[price]]\nmodel = "M1"\nprices = { input_mtok = 0.1, output_mtok = 0 }', "0.0001"),
        (file(entry()), "0.003"),
        (json.dumps([entry()]), "0.003"),
    ],
)
def test_toml_and_json_say_the_same(toml, dollars):
    found = cost("anyone", "m1", M1, book=book_of(toml))
    assert (usd(found), found.status, found.source) == (dollars, "priced", "user")
    assert found.price_version.startswith("prices.toml ")


def test_an_exact_name_beats_a_prefix_beats_a_pattern_beats_what_is_shipped():
    price = '[[price]]\nmodel = "{}"\nmatch = "{}"\nprices = {{ input_mtok = "{}" }}\n'
    pattern, prefix = price.format("gpt-4.*", "regex", 1), price.format("gpt-4", "prefix", 2)
    longer, exact = price.format("gpt-4o", "prefix", 3), price.format("gpt-4o", "exact", 4)
    usage = {"input_tokens": 1_000_000}
    for toml, dollars in (
        ("", "2.5"),
        (pattern, "1"),
        (pattern + prefix, "2"),
        (pattern + prefix + longer, "3"),
        (pattern + prefix + longer + exact, "4"),
    ):
        assert usd(cost("openai", "gpt-4o", usage, book=book_of(toml))) == dollars


def test_a_user_s_price_beats_a_shipped_correction():
    book = book_of('[[price]]\nprovider = "openai"\nmodel = "ft:"\nmatch = "prefix"\nprices = { input_mtok = "9" }')
    found = cost("openai", "ft:davinci-002:acme::x", {"input_tokens": 1_000_000}, book=book)
    assert (usd(found), found.source) == ("9", "user")


def test_a_provider_is_meant_in_any_spelling():
    book = book_of('[[price]]\nprovider = "azure.ai.openai"\nmodel = "m1"\nfree = true')
    assert usd(cost("azure_openai", "m1", M1, book=book)) == "0"
    assert usd(cost("openai", "m1", M1, book=book)) is None


@pytest.mark.parametrize(("at", "dollars"), [("2025-12-31T23:59:59Z", None), ("2026-01-01", "0"), ("2026-02-01", None)])
def test_an_entry_holds_from_its_first_moment_to_before_its_last(at, dollars):
    book = book_of('[[price]]\nmodel = "m1"\nvalid_from = 2026-01-01\nvalid_to = "2026-02-01"\nfree = true')
    assert usd(cost("x", "m1", M1, at=at, book=book)) == dollars


def test_an_entry_for_a_context_comes_before_the_one_for_all():
    plain = '[[price]]\nmodel = "m1"\nprices = { input_mtok = "2", output_mtok = "2" }\n'
    flex = '[[price]]\nmodel = "m1"\nwhen = { service_tier = "flex" }\nprices = { input_mtok = "1", output_mtok = "1" }'
    book = book_of(plain + flex)
    assert usd(cost("x", "m1", M1, book=book)) == "0.004"
    assert usd(cost("x", "m1", M1, book=book, service_tier="flex")) == "0.002"
    found = cost("x", "m1", M1, book=book, service_tier="priority")
    assert (usd(found), found.status, found.reason) == ("0.004", "approximate", "unknown_context")


def test_tiers_are_cliffs_strictly_above():
    book = book_of(file(entry(tiers=[{"above": 1000, "prices": {"input_mtok": "10"}}])))
    assert usd(cost("x", "m1", {"input_tokens": 1000, "output_tokens": 0}, book=book)) == "0.001"
    assert usd(cost("x", "m1", {"input_tokens": 1001, "output_tokens": 0}, book=book)) == "0.01001"


def test_a_merged_entry_keeps_the_other_prices_and_what_a_context_does():
    book = book_of('[[price]]\nprovider = "openai"\nmodel = "gpt-5"\nmerge = true\nprices = { input_mtok = "1" }')
    million = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
    assert usd(cost("openai", "gpt-5", million, book=book)) == "11"
    assert usd(cost("openai", "gpt-5", million, book=book, service_tier="flex")) == "5.5"


def test_a_merged_price_that_overlaps_another_takes_nothing_off_twice():
    book = book_of(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\nmerge = true\nprices = { input_audio_mtok = "40" }'
    )
    counts = {"input_tokens": 1000, "input_audio_tokens": 600, "cache_read_tokens": 500, "output_tokens": 0}
    # 400 tokens are text, of which 300 are cached; 600 are audio, of which 200 are cached and no price is known.
    found = cost("openai", "gpt-4o", {**counts, "cache_audio_read_tokens": 200}, book=book)
    assert usd(found) == f"{(100 * 2.5 + 300 * 1.25 + 600 * 40) / 1e6:.6f}"
    assert (found.status, found.reason) == ("approximate", "parent_unit")


def test_a_fee_per_request_is_added_once():
    book = book_of('[[price]]\nprovider = "openai"\nmodel = "gpt-4.1"\nadd_per_request = "0.01"')
    found = cost("openai", "gpt-4.1", {"input_tokens": 1000, "output_tokens": 0}, book=book, lines=True)
    assert usd(found) == "0.012"
    assert [(line.unit, line.nano_usd) for line in found.lines] == [
        ("input_tokens", 2_000_000),
        ("requests", 10_000_000),
    ]


def test_a_discount_stands_alone_and_applies_to_whatever_price_there_is():
    book = book_of('[[price]]\nprovider = "openai"\nmodel = "gpt-"\nmatch = "prefix"\ndiscount = "0.5"')
    found = cost("openai", "gpt-4o", book=book)
    assert (usd(found), found.list_nano_usd, found.source) == ("0.625", 1_250_000_000, "genai-prices")
    assert cost("openai", "o3", book=book).list_nano_usd is None


def test_an_alias_says_what_a_deployment_stands_for():
    book = book_of('[[price]]\nprovider = "azure"\nmodel = "prod-chat"\nalias = "openai/gpt-4o"')
    assert usd(cost("azure.ai.openai", "Prod-Chat", book=book)) == "1.25"
    assert usd(cost("openai", "prod-chat", book=book)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[price]\n", "not readable as TOML or JSON"),
        ("{", "not readable as TOML or JSON"),
        ("prices = 1", "unknown key 'prices': every entry starts with [[price]]"),
        ('price = "x"', "`price` must be a list"),
        (file(3), "entry 1: must be a table, not int"),
        (file(entry(modle="x")), "modle = 'x': unknown key"),
        (file(entry(match="glob")), "match = 'glob': must be exact, prefix or regex"),
        (file({"prices": {"input_mtok": 1}}), "model = None: must be a text"),
        (file(entry(model="")), "model = '': must be a text"),
        (file(entry(model="x" * 201)), "must be a text of 1 to 200 characters"),
        (file(entry(model="(", match="regex")), "not a regular expression"),
        (file(entry(model="(a+)+b", match="regex")), "may never end"),
        (file(entry(model="(?=a)b", match="regex")), "may never end"),
        (file(entry(model="a*b*c*d*", match="regex")), "more than 3 open repeats"),
        (file(entry(prices={"input": 1})), "input = 1: unknown price; known are"),
        (file(entry(prices={"input_mtok": -1})), "input_mtok = -1: must be between 0 and 1000000"),
        (file(entry(prices={"input_mtok": "1e9"})), "must be between 0 and 1000000"),
        (file(entry(prices={"input_mtok": "NaN"})), "must be a number"),
        (file(entry(prices={"input_mtok": True})), "must be a number"),
        (file(entry(prices={"input_mtok": None})), "must be a number"),
        (file(entry(prices=[1])), "must be a table such as"),
        (file(entry(prices={"input_mtok": 0, "output_mtok": 0})), "write free = true"),
        (file(entry(prices={"cache_read_mtok": 1})), "input_mtok is needed too"),
        (file({"model": "m"}), "say what it costs"),
        (file(entry(free=True)), "a free model has no prices"),
        (file(entry(free="yes")), "must be true or false"),
        (file(entry(alias="a/b")), "an alias takes its prices from elsewhere"),
        (file(entry(discount="11")), "must be between 0 and 10"),
        (file(entry(when="flex")), "must be a table such as"),
        (file(entry(valid_from="soon")), "must be a date or a time"),
        (file(entry(valid_from="2026-01-01T00:01:00Z")), "prices change on quarter hours"),
        (file(entry(valid_from="2026-02-01", valid_to="2026-01-01")), "must be after valid_from"),
        (file(entry(tiers=[{"above": 0.5}])), "rising"),
        (file(entry(tiers=[{"above": 2, "prices": {}}, {"above": 1, "prices": {}}])), "rising"),
        (file(entry(tiers=[{"above": 2, "prices": {"web_searches_kcount": 1}}])), "has a tier but no base price"),
        (" " * (4 * 1024 * 1024 + 1), "over the limit of 4194304"),
    ],
)  # fmt: skip
def test_every_mistake_is_named_with_its_place_and_its_remedy(text, says):
    with pytest.raises(PriceDataError) as told:
        overlay_from(text, source="my/prices.toml")
    assert says in str(told.value)
    assert str(told.value).startswith("my/prices.toml: ")


def test_too_many_entries_are_refused():
    with pytest.raises(PriceDataError, match="at most 10000 entries"):
        overlay_of([entry()] * 10_001)


def test_a_hostile_name_does_not_make_a_pattern_slow():
    book = book_of(file(entry(model="a.*b.*c.*d", match="regex")))
    begun = time.perf_counter()
    cost("x", "a" + "b" * 200, M1, book=book)
    assert time.perf_counter() - begun < 1
