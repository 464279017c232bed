"""What one unit costs: exact dollars per so many units, with tiers by prompt length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from spanwatch.core.call import CostReason


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars for as many units as the price key counts.

    A tier `(start, price)` holds for all of a call whose input is more than `start`.
    """

    base: Fraction
    tiers: tuple[tuple[int, Fraction], ...] = ()

    def at(self, total_input: float | Fraction) -> Fraction:
        """The price for a call with that much input: a cliff, strictly above the threshold."""
        price = self.base
        for start, above in self.tiers:
            if total_input > start:
                price = above
        return price

    def times(self, factor: Fraction) -> Rate:
        """The same rate, every step multiplied."""
        return Rate(self.base * factor, tuple((start, price * factor) for start, price in self.tiers))


Sheet = Mapping[str, Rate]  # unit name → its rate


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices that hold for one provider, model, time and context, and where they come from."""

    sheet: Sheet
    source: str  # user | spanwatch | genai-prices
    entry: str  # "openai/gpt-4o"
    version: str
    doubts: tuple[CostReason, ...] = ()  # why the price is only a stand-in
    discount: Fraction | None = None  # what is paid of the list price
    per_second: Fraction | None = None
    per_request: Fraction = Fraction(0)
    minimum: tuple[tuple[str, int], ...] = ()  # least billed count per unit
    detail: str | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class NoQuote:
    """No price, and why."""

    reason: CostReason
    detail: str
