"""Read a user's price file (TOML or JSON): every mistake is named with its entry, key, value and remedy.

[[price]]
provider = "openai"                # any known spelling; leave out for every provider
model = "gpt-4o"
match = "exact"                    # or "prefix", "regex"
valid_from = 2026-01-01            # optional, UTC; valid_to is the first moment that no longer counts
prices = { input_mtok = "2.50", output_mtok = "10" }
tiers = [{ above = 272000, prices = { input_mtok = "5", output_mtok = "15" } }]
discount = "0.85"                  # paid share of the list price; may stand without prices
add_per_request = "0.001"
per_second = "0.000694"            # self-hosted: dollars per second of the call
free = true                        # a known 0
merge = true                       # keep the other prices of the shipped data
when = { service_tier = "flex" }   # only for calls in that context
alias = "openai/gpt-4o-2024-08-06" # what a deployment name stands for
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any, NoReturn

from spanwatch.core.errors import PriceDataError
from spanwatch.core.prices.context import items_of
from spanwatch.core.prices.overlay import QUARTER, Entry, Match, Overlay, overlay
from spanwatch.core.prices.rates import Rate
from spanwatch.core.prices.units import BY_PRICE_KEY, missing_join
from spanwatch.core.providers import price_id

MAX_FILE = 4 * 1024 * 1024  # characters
MAX_ENTRIES = 10_000
MAX_PATTERN = 200  # characters of a model name or regular expression
MAX_PRICE = Fraction(1_000_000)  # dollars per unit of the price key; more is a slip of the decimal point
_MATCHES: tuple[Match, ...] = ("exact", "prefix", "regex")
_KEYS = frozenset(
    [
        "provider",
        "model",
        "match",
        "valid_from",
        "valid_to",
        "prices",
        "tiers",
        "discount",
        "add_per_request",
        "per_second",
        "free",
        "merge",
        "when",
        "alias",
        "link",
    ]
)
_JSON = re.compile(r"\s*(?:\{|\[\s*[{\]])")  # `[[price]]` is TOML
MAX_REPEATS = 3  # unbounded repeats in one regular expression
# What can make matching take exponential time: a repeat of a group that repeats or branches, and back references.
_REPEAT = re.compile(r"(?<!\\)[*+]|(?<!\\)\{\d*,\d*\}")
_RISKY = re.compile(r"\([^)]*[*+{|][^)]*\)\s*[*+{]|\\[1-9]|\(\?[P<=!]")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file we are reading, for errors."""

    source: str
    entry: str

    def refuse(self, key: str, value: object, remedy: str) -> NoReturn:
        raise PriceDataError(f"{self.source}: {self.entry}: {key} = {value!r}: {remedy}")


def overlay_from(text: str, *, source: str) -> Overlay:
    """The overlay that a price file describes; `source` names the file in errors and in `Cost.price_version`.

    Raises:
        PriceDataError: the file is no TOML or JSON, or one entry is wrong.
    """
    if len(text) > MAX_FILE:
        raise PriceDataError(
            f"{source}: {len(text)} characters is over the limit of {MAX_FILE}: split or shorten the file"
        )
    table = _parse(text, source)
    unknown = sorted(set(table) - {"price"})
    if unknown:
        raise PriceDataError(f"{source}: unknown key {unknown[0]!r}: every entry starts with [[price]]")
    digest = sha256(text.encode()).hexdigest()[:12]
    return overlay_of(table.get("price", []), source=source, version=f"{source.rpartition('/')[2]} {digest}")


def overlay_of(entries: Any, *, source: str = "prices", version: str = "user") -> Overlay:
    """The overlay of entries given as dictionaries, with the keys of the price file.

    Raises:
        PriceDataError: an entry is wrong.
    """
    if not isinstance(entries, list | tuple) or len(entries) > MAX_ENTRIES:
        raise PriceDataError(f"{source}: `price` must be a list of at most {MAX_ENTRIES} entries")
    return overlay((_entry(raw, number, source) for number, raw in enumerate(entries, 1)), version=version)


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        if _JSON.match(text):
            loaded = json.loads(text, parse_float=Decimal)
            return {"price": loaded} if isinstance(loaded, list) else dict(loaded)
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceDataError(f"{source}: not readable as TOML or JSON: {error}") from None


def _entry(raw: Any, number: int, source: str) -> Entry:
    if not isinstance(raw, Mapping):
        raise PriceDataError(f"{source}: entry {number}: must be a table, not {type(raw).__name__}")
    place = _Place(source, f"entry {number} ({raw.get('provider', 'any provider')}/{raw.get('model', '?')})")
    for key in raw:
        if key not in _KEYS:
            place.refuse(str(key), raw[key], f"unknown key; known are {', '.join(sorted(_KEYS))}")
    match, model = _name(raw, place)
    rates = _rates(raw, place)
    discount = None if "discount" not in raw else _number(raw["discount"], "discount", place, Fraction(10))
    per_second = None if "per_second" not in raw else _number(raw["per_second"], "per_second", place, MAX_PRICE)
    entry = Entry(
        model=model,
        provider=price_id(_text(raw["provider"], "provider", place)) if "provider" in raw else None,
        match=match,
        rates=rates,
        merge=_flag(raw, "merge", place),
        valid_from=_moment(raw.get("valid_from"), "valid_from", place),
        valid_to=_moment(raw.get("valid_to"), "valid_to", place),
        when=_when(raw.get("when", {}), place),
        discount=discount,
        per_request=_number(raw.get("add_per_request", 0), "add_per_request", place, MAX_PRICE),
        per_second=per_second,
        free=_flag(raw, "free", place),
        alias=None if "alias" not in raw else _text(raw["alias"], "alias", place).lower(),
        link=raw.get("link"),
        pattern=_pattern(model, place) if match == "regex" else None,
    )
    _consistent(entry, raw, place)
    return entry


def _consistent(entry: Entry, raw: Mapping[str, Any], place: _Place) -> None:
    if not (entry.prices_something or entry.discount is not None or entry.alias):
        place.refuse(
            "prices", raw.get("prices"), "say what it costs: prices, per_second, discount, alias or free = true"
        )
    if entry.free and (entry.rates or entry.per_second):
        place.refuse("free", raw["free"], "a free model has no prices: keep one of the two")
    if entry.alias and (entry.rates or entry.free or entry.per_second is not None):
        place.refuse("alias", raw["alias"], "an alias takes its prices from elsewhere: keep one of the two")
    if entry.rates and not any(rate.base for rate in entry.rates.values()):
        place.refuse("prices", dict(raw["prices"]), "every price is 0: write free = true if it costs nothing")
    if entry.valid_from and entry.valid_to and entry.valid_from >= entry.valid_to:
        place.refuse("valid_to", raw["valid_to"], "must be after valid_from")
    missing = None if entry.merge else missing_join(_units(entry))
    if missing:
        place.refuse("prices", sorted(raw["prices"]), f"{missing} is needed too, because these units overlap")


def _units(entry: Entry) -> list[Any]:
    return [unit for unit in BY_PRICE_KEY.values() if unit.name in entry.rates]


def _name(raw: Mapping[str, Any], place: _Place) -> tuple[Match, str]:
    match = raw.get("match", "exact")
    if match not in _MATCHES:
        place.refuse("match", match, "must be exact, prefix or regex")
    model = _text(raw.get("model"), "model", place)
    return match, model if match == "regex" else model.lower()


def _text(value: Any, key: str, place: _Place) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_PATTERN:
        place.refuse(key, value, f"must be a text of 1 to {MAX_PATTERN} characters")
    return value.strip()


def _pattern(model: str, place: _Place) -> re.Pattern[str]:
    if _RISKY.search(model):
        place.refuse("model", model, "nested repeats, look-arounds and back references may never end: write it plainer")
    if len(_REPEAT.findall(model)) > MAX_REPEATS:
        place.refuse(
            "model", model, f"more than {MAX_REPEATS} open repeats (*, +) make matching slow: write it plainer"
        )
    try:
        return re.compile(model, re.IGNORECASE)
    except re.error as error:
        place.refuse("model", model, f"not a regular expression: {error}")


def _rates(raw: Mapping[str, Any], place: _Place) -> dict[str, Rate]:
    prices = _prices(raw.get("prices", {}), place)
    tiers: dict[str, list[tuple[int, Fraction]]] = {}
    last = -1
    for tier in raw.get("tiers", []):
        above = tier.get("above") if isinstance(tier, Mapping) else None
        if not isinstance(above, int) or isinstance(above, bool) or above <= last:
            place.refuse("tiers", tier, "each tier needs above = a whole number of input tokens, rising")
        last = above
        for unit, price in _prices(tier.get("prices", {}), place).items():
            if unit not in prices:
                place.refuse("tiers", tier, f"{unit} has a tier but no base price")
            tiers.setdefault(unit, []).append((above, price))
    return {unit: Rate(price, tuple(tiers.get(unit, ()))) for unit, price in prices.items()}


def _prices(raw: Any, place: _Place) -> dict[str, Fraction]:
    if not isinstance(raw, Mapping):
        place.refuse("prices", raw, 'must be a table such as { input_mtok = "2.50", output_mtok = "10" }')
    found = {}
    for key, value in raw.items():
        if key not in BY_PRICE_KEY:
            place.refuse(key, value, f"unknown price; known are {', '.join(sorted(BY_PRICE_KEY))}")
        found[BY_PRICE_KEY[key].name] = _number(value, key, place, MAX_PRICE)
    return found


def _number(value: Any, key: str, place: _Place, most: Fraction) -> Fraction:
    try:
        number = Fraction(str(value))  # of True it makes an error too
    except (ValueError, ZeroDivisionError):
        place.refuse(key, value, 'must be a number, best as a text such as "0.15"')
    if not 0 <= number <= most:
        place.refuse(key, value, f"must be between 0 and {most}")
    return number


def _flag(raw: Mapping[str, Any], key: str, place: _Place) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        place.refuse(key, value, "must be true or false")
    return value


def _when(raw: Any, place: _Place) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, Mapping):
        place.refuse("when", raw, 'must be a table such as { service_tier = "flex" }')
    return items_of(raw.items())


def _moment(value: Any, key: str, place: _Place) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, date) and not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, AttributeError):
        place.refuse(key, value, "must be a date or a time, such as 2026-01-31 or 2026-01-31T16:00:00Z")
    if (moment - datetime(2020, 1, 1, tzinfo=UTC)) % QUARTER:
        place.refuse(key, value, "prices change on quarter hours: use minute 00, 15, 30 or 45")
    return moment
