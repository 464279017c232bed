"""The units of usage and how they nest, from genai-prices' unit table.

A unit is a set of dimensions (direction, modality, token type, cache lifetime). Unit A contains unit B when A's
dimensions are a subset of B's: `input_tokens` contains `cache_read_tokens`. A count always includes what it contains.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Any

from genai_prices.data_units import unit_data

from spanwatch.core.call import USAGE_FIELDS, Usage

Count = int | float | Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that is counted and may have a price of `price_key` dollars per `per` of it."""

    name: str
    price_key: str
    per: int
    dimensions: frozenset[tuple[str, str]]

    @property
    def direction(self) -> str | None:
        """`input`, `output`, or None for what has no direction, such as a web search."""
        return dict(self.dimensions).get("direction")

    @property
    def is_token(self) -> bool:
        """Whether this counts tokens rather than searches, seconds, pages or pixels."""
        return ("family", "tokens") in self.dimensions

    def contains(self, other: Unit) -> bool:
        """Whether every count of this unit includes the other's."""
        return self.dimensions < other.dimensions


def _read(raw: Mapping[str, Mapping[str, Any]]) -> dict[str, Unit]:
    return {
        name: Unit(name, entry.get("price_key", name), entry["per"], frozenset(entry.get("dimensions", {}).items()))
        for name, entry in raw.items()
    }


UNITS: dict[str, Unit] = _read(unit_data)
BY_PRICE_KEY: dict[str, Unit] = {unit.price_key: unit for unit in UNITS.values()}
REQUESTS = "requests"  # counted by us: every call is one

# Spellings of other APIs, and of our own `Usage`, for the same count.
ALIASES: dict[str, str] = {
    "reasoning_tokens": "output_reasoning_tokens",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "image_input_tokens": "input_image_tokens",
    "image_output_tokens": "output_image_tokens",
    "text_input_tokens": "input_text_tokens",
    "text_output_tokens": "output_text_tokens",
    "thinking_tokens": "output_reasoning_tokens",
    "web_search_requests": "web_searches",
    "web_search_calls": "web_searches",
    "file_searches": "storage_searches",
    "file_search_calls": "storage_searches",
}
_FIELD_OF = {ALIASES.get(field, field): field for field in USAGE_FIELDS}
_FIELD_BY_NAME = {
    **_FIELD_OF,
    **{alias: _FIELD_OF[unit] for alias, unit in ALIASES.items() if unit in _FIELD_OF},
    **{field: field for field in USAGE_FIELDS},
}
FIELD_UNITS: tuple[str, ...] = tuple(ALIASES.get(field, field) for field in USAGE_FIELDS)


def usage_of(counts: Mapping[str, Any]) -> Usage:
    """A `Usage` from counts by unit name or a known alias of it; None means not known.

    Raises:
        TypeError: a count is no number.
        ValueError: a unit is unknown, is given twice under two names, or a count is not finite.
    """
    fields: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name, count in counts.items():
        field = _FIELD_BY_NAME.get(name)
        if field is not None and type(count) is int and field not in fields:
            fields[field] = count
            continue
        if count is None:
            continue
        unit = ALIASES.get(name, name)
        if unit not in UNITS:
            raise ValueError(f"unknown unit of usage {name!r}{_nearest(name)}")
        home, key = (fields, _FIELD_OF[unit]) if unit in _FIELD_OF else (other, unit)
        if key in home and home[key] != count:
            raise ValueError(f"{unit} is given twice, as {home[key]!r} and as {count!r} (by {name!r})")
        home[key] = _number(name, count)
    return Usage(**fields, other=tuple(other.items()))


def _number(name: str, count: object) -> int | float:
    if isinstance(count, Decimal | Fraction):
        count = int(count) if count == int(count) else float(count)
    if isinstance(count, bool) or not isinstance(count, int | float):
        raise TypeError(f"{name} must be a number, not {type(count).__name__}")
    if not isfinite(count):
        raise ValueError(f"{name} must be finite, not {count!r}")
    return count


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(str(name), [*UNITS, *ALIASES], n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(FIELD_UNITS)} and others"


def exact(count: Count) -> int | Fraction:
    """A count without binary noise: 0.1 is one tenth."""
    return Fraction(repr(count)) if isinstance(count, float) else count


def nearest_priced(unit: Unit, priced: Iterable[Unit]) -> Unit | None:
    """The most specific priced unit that contains `unit`, or None."""
    return max((p for p in priced if p.contains(unit)), key=lambda p: len(p.dimensions), default=None)


def missing_join(units: Iterable[Unit]) -> str | None:
    """The price key that must also be given because two given units overlap, or whose parent is missing; None if none.

    Tokens that are both cached and audio would otherwise be taken off twice.
    """
    given = sorted(units, key=lambda unit: unit.name)
    sets = {unit.dimensions for unit in given}
    for unit in given:
        for other in UNITS.values():
            if other.contains(unit) and other.dimensions not in sets:
                return other.price_key
    for left in given:
        for right in given:
            join = _JOINS.get(left.dimensions | right.dimensions)
            if join is not None and join.dimensions not in sets:
                return join.price_key
    return None


_JOINS = {unit.dimensions: unit for unit in UNITS.values()}
