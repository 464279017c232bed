"""A quote compiled for speed: integers only, one row of rates per price tier.

Everything is counted in atto-USD (1e-18 dollars), or in a fraction of that where a price needs it, so that sums are
exact; the engine rounds once, to nano-USD.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any

from spanwatch.core.prices.rates import Quote, Rate
from spanwatch.core.prices.units import BY_PRICE_KEY, REQUESTS, UNITS, Unit, missing_join

_ATTO_PER_NANO = 10**9
_NANO_PER_USD = 10**9


@dataclass(frozen=True, slots=True)
class Plan:
    """Prices ready to apply. `bands[i]` holds the rates, in the order of `units`, above `thresholds[i - 1]`.

    `scale` is how many of the integers that rates are in make a nano-USD. `shapes` caches, per set of reported units,
    how counts turn into billed counts; it is bounded, and safe to share because entries are only replaced by equals.
    """

    quote: Quote
    units: tuple[Unit, ...]  # most specific first
    thresholds: tuple[int, ...]
    bands: tuple[tuple[int, ...], ...]
    scale: int
    directions: tuple[str | None, ...]
    per_request: int  # what every call costs beside its usage
    filled: frozenset[str]  # units without a price of their own, priced to keep overlaps right
    flat: bool  # the usage is no matter: free, or priced by the second
    shapes: dict[Any, Any] = field(default_factory=dict, compare=False)

    def usd_per(self, place: int, band: int) -> Fraction:
        """The dollars of a rate for as many units as its price key counts."""
        return Fraction(self.bands[band][place], self.scale * _NANO_PER_USD) * self.units[place].per


def compile_plan(quote: Quote) -> Plan:
    """The plan of a quote: units from the most specific to the least, so that a leaf knows what to take off."""
    sheet, filled = _closed({name: rate for name, rate in quote.sheet.items() if name != REQUESTS})
    units = tuple(sorted((UNITS[name] for name in sheet), key=lambda u: (-len(u.dimensions), u.name)))
    thresholds = tuple(sorted({start for rate in sheet.values() for start, _ in rate.tiers}))
    bands = [[sheet[u.name].at(above) / u.per for u in units] for above in (0, *(start + 1 for start in thresholds))]
    exact = [Fraction(_ATTO_PER_NANO * _NANO_PER_USD) * price for band in bands for price in band]
    request = Fraction(_ATTO_PER_NANO * _NANO_PER_USD) * request_fee(quote)
    finer = lcm(request.denominator, *(value.denominator for value in exact))
    width = len(units)
    whole = [int(value * finer) for value in exact]
    return Plan(
        quote=quote,
        units=units,
        thresholds=thresholds,
        bands=tuple(tuple(whole[i * width : (i + 1) * width]) for i in range(len(bands))),
        scale=_ATTO_PER_NANO * finer,
        directions=tuple(unit.direction for unit in units),
        per_request=int(request * finer),
        filled=filled,
        flat=quote.free or (quote.per_second is not None and not quote.sheet),
    )


def request_fee(quote: Quote) -> Fraction:
    """Dollars that one call costs whatever it used: the listed fee per request and the user's own."""
    listed = quote.sheet.get(REQUESTS)
    return quote.per_request + (listed.base / UNITS[REQUESTS].per if listed else 0)


def _closed(sheet: dict[str, Rate]) -> tuple[dict[str, Rate], frozenset[str]]:
    """The sheet with a price for every overlap of its units, as dear as the dearest unit that contains it."""
    filled = set()
    while key := missing_join([UNITS[name] for name in sheet]):
        unit = BY_PRICE_KEY[key]
        around = [rate for name, rate in sheet.items() if UNITS[name].contains(unit)]
        if not around:  # a subset is priced and its parent is not: the rest of the parent has no price
            break
        sheet[unit.name] = max(around, key=lambda rate: rate.base)
        filled.add(unit.name)
    return sheet, frozenset(filled)
