"""A data file of genai-prices: read as a catalog, and checked before it may replace another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from itertools import islice

from genai_prices.types import _providers_from_raw

from spanwatch.core.errors import PriceDataError
from spanwatch.core.prices.catalog import Catalog, catalog, sheets

MAX_BYTES = 16 * 1024 * 1024
MAX_PRICE = 10_000  # dollars per unit of the price key; the dearest is 600 (per million output tokens)
KEPT = Fraction(4, 5)  # of providers, models and priced models: a file that lost more is damaged
MOVED = Fraction(1, 20)  # of the models in both files may change a price tenfold
_TENFOLD = 10


def catalog_from(content: bytes, *, source: str) -> Catalog:
    """The catalog in a data file; `source` names it in errors.

    Raises:
        PriceDataError: the file is too large, no data file, or has an impossible price.
    """
    if len(content) > MAX_BYTES:
        raise PriceDataError(f"{source}: {len(content)} bytes is over the limit of {MAX_BYTES}")
    try:
        raw = json.loads(content, parse_float=Decimal)
        if not isinstance(raw, list):
            raise PriceDataError(f"{source}: not a data file of genai-prices, which is a list of providers")
        providers = _providers_from_raw(raw)
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, PriceDataError):
            raise
        raise PriceDataError(f"{source}: not a data file of genai-prices: {_first_line(error)}") from None
    found = catalog(providers, version=f"genai-prices data {sha256(content).hexdigest()[:12]}")
    for text in islice(_impossible(found), 1):
        raise PriceDataError(f"{source}: {text}")
    return found


def objections(new: Catalog, old: Catalog) -> list[str]:
    """Why `new` must not replace `old`; empty when it may."""
    found = []
    if new.as_of < old.as_of:
        found.append(f"it is older: {new.as_of} instead of {old.as_of}")
    for what, many, before in (
        ("providers", len(new.sellers), len(old.sellers)),
        ("models", len(new.models()), len(old.models())),
        ("models with a price", len(_now(new)), len(_now(old))),
    ):
        if many < before * KEPT:
            found.append(f"it has {many} {what} instead of {before}: more than a fifth is gone")
    now, then = _now(new), _now(old)
    both = now.keys() & then.keys()
    moved = sum(_moved(now[key], then[key]) for key in both)
    if moved > len(both) * MOVED:
        found.append(f"{moved} of {len(both)} models changed a price tenfold")
    return found


Prices = dict[str, Fraction]


def _now(prices: Catalog) -> dict[tuple[str, str], Prices]:
    """The newest base prices of every model that has some."""
    found = {}
    for seller, model in prices.models():
        last = {name: rate.base for name, rate in sheets(model)[-1].items()}
        if any(last.values()):
            found[seller, model.id] = last
    return found


def _moved(now: Prices, then: Prices) -> bool:
    return any(
        then[unit] and not 1 < now[unit] / then[unit] * _TENFOLD < _TENFOLD**2 for unit in now.keys() & then.keys()
    )


def _impossible(prices: Catalog) -> Iterator[str]:
    for seller, model in prices.models():
        for sheet in sheets(model):
            for name, rate in sheet.items():
                for price in (rate.base, *(above for _, above in rate.tiers)):
                    if not 0 <= price <= MAX_PRICE:
                        yield f"{seller}/{model.id}: {name} at ${float(price):g} is not between 0 and {MAX_PRICE}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
