"""A data file is read as genai-prices publishes it, and refused when something is wrong with it."""

import json

import pytest

from spanwatch.core.errors import PriceDataError
from spanwatch.core.prices import PriceBook, catalog_from, objections, shipped
from tests.core.prices.rig import cost, data_file, raw_data, usd


def changed(change):
    raw = raw_data()
    for provider in raw:
        for model in provider["models"]:
            change(provider, model)
    return json.dumps(raw).encode()


def halved(_provider, model):
    lists = [model] if isinstance(model["prices"], dict) else model["prices"]
    for each in lists:
        each["prices"] = {key: value for key, value in each["prices"].items() if not isinstance(value, dict)}
        each["prices"] = {key: str(float(value) / 2) for key, value in each["prices"].items()}


def test_the_published_format_gives_the_shipped_prices():
    found = catalog_from(data_file(), source="data.json")
    assert (found.sellers, found.as_of) == (shipped().sellers, shipped().as_of)
    assert len(found.models()) == len(shipped().models())
    assert objections(found, shipped()) == []
    book = PriceBook(catalog=found)
    assert usd(cost("openai", "gpt-5.5", {"input_tokens": 300_000, "output_tokens": 0}, book=book)) == "3"
    assert usd(cost("openai", "gpt-5", book=book, service_tier="flex")) == "0.5625"
    assert cost("openai", "gpt-4o", book=book).price_version.startswith("genai-prices data ")


def test_changed_prices_are_accepted_and_used():
    found = catalog_from(changed(halved), source="data.json")
    assert objections(found, shipped()) == []
    assert usd(cost("openai", "gpt-4o", book=PriceBook(catalog=found))) == "0.625"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a data file of genai-prices"),
        (b"<html>", "not a data file of genai-prices"),
        (b"\xff\xfe", "not a data file of genai-prices"),
        (b"{}", "which is a list of providers"),
        (b"[1]", "not a data file of genai-prices"),
        (b'[{"id": "x"}]', "not a data file of genai-prices"),
        (b"[" * 100_000, "not a data file of genai-prices"),
        (b" " * (16 * 1024 * 1024 + 1), "is over the limit of 16777216"),
    ],
)  # fmt: skip
def test_what_is_no_data_file_is_refused(content, says):
    with pytest.raises(PriceDataError, match=r"data\.json: ") as told:
        catalog_from(content, source="data.json")
    assert says in str(told.value)


@pytest.mark.parametrize("price", ["-1", "10001", "NaN", "Infinity"])
def test_an_impossible_price_is_refused(price):
    raw = raw_data()
    raw[0]["models"][0]["prices"] = {"input_mtok": price}
    with pytest.raises(PriceDataError, match=r"data\.json: "):
        catalog_from(json.dumps(raw).encode(), source="data.json")


def test_a_file_that_lost_more_than_a_fifth_may_not_replace_the_data():
    raw = raw_data()
    for provider in raw:
        provider["models"] = provider["models"][: len(provider["models"]) // 2]
    found = objections(catalog_from(json.dumps(raw).encode(), source="x"), shipped())
    assert [text for text in found if "models instead of" in text and "more than a fifth is gone" in text]


def test_a_file_without_prices_may_not_replace_the_data():
    def emptied(_provider, model):
        model["prices"] = {}
        model["price_variants"] = None

    found = objections(catalog_from(changed(emptied), source="x"), shipped())
    assert [text for text in found if "0 models with a price instead of" in text]


def test_a_file_in_which_prices_jump_may_not_replace_the_data():
    def cheaper(_provider, model):
        if isinstance(model["prices"], dict):
            model["prices"] = dict.fromkeys(model["prices"], "0.000001")

    found = objections(catalog_from(changed(cheaper), source="x"), shipped())
    assert [text for text in found if "changed a price tenfold" in text]


def test_an_older_file_may_not_replace_the_data():
    old = data_file().replace(b"2026-1", b"2025-1").replace(b"2026-0", b"2025-0")
    found = objections(catalog_from(old, source="x"), shipped())
    assert [text for text in found if text.startswith("it is older: 2025-")]
