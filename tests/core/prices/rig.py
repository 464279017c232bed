"""Prices without a process around them: one book, one moment, data files as genai-prices publishes them."""

import functools
import json
from datetime import UTC, datetime

from genai_prices import types
from genai_prices.data import providers

from spanwatch.core.prices import PriceBook, Terms, overlay_from, terms_of, usage_of

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)  # a Monday


@functools.cache
def shipped_book():
    return PriceBook()


def book_of(toml):
    return PriceBook(overlay_from(toml, source="my/prices.toml"))


def nanoseconds(at):
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9


def cost(provider, model, usage=None, at=NOON, book=None, *, lines=False, **context):
    """What 100,000 input and 100,000 output tokens cost, or other usage."""
    counts = {"input_tokens": 100_000, "output_tokens": 100_000} if usage is None else usage
    terms = terms_of(context) if context else Terms()
    return (book or shipped_book()).price(
        usage_of(counts), provider=provider, model=model, at_ns=nanoseconds(at), terms=terms, lines=lines
    )


def usd(found):
    return None if found.usd is None else f"{found.usd:f}"


def raw_data():
    """The shipped data in the shape of genai-prices' data.json."""
    return [
        {
            "id": provider.id,
            "name": provider.name,
            "api_pattern": provider.api_pattern,
            "price_comments": provider.price_comments,
            "fallback_model_providers": provider.fallback_model_providers,
            "models": [_model(model) for model in provider.models],
        }
        for provider in providers
    ]


@functools.cache
def data_file():
    return json.dumps(raw_data()).encode()


def _model(model):
    prices = model.prices
    return {
        "id": model.id,
        "match": _clause(model.match),
        "price_comments": model.price_comments,
        "prices": _prices(prices)
        if isinstance(prices, types.ModelPrice)
        else [{"constraint": _constraint(each.constraint), "prices": _prices(each.prices)} for each in prices],
        "price_variants": [
            {"when": each.when, "constraint": _constraint(each.constraint), "prices": _prices(each.prices)}
            for each in model.price_variants or []
        ]
        or None,
    }


def _clause(clause):
    match clause:
        case types.ClauseOr(or_=parts):
            return {"or": [_clause(part) for part in parts]}
        case types.ClauseAnd(and_=parts):
            return {"and": [_clause(part) for part in parts]}
    return vars(clause)


def _constraint(constraint):
    return constraint and {key: value.isoformat() for key, value in vars(constraint).items()}


def _prices(prices):
    return {key: _rate(value) for key, value in vars(prices).items() if value is not None}


def _rate(value):
    if isinstance(value, types.TieredPrices):
        return {
            "base": str(value.base),
            "tiers": [{"start": tier.start, "price": str(tier.price)} for tier in value.tiers],
        }
    return str(value)
