"""Prices laid over the shipped data: a user's own, and our corrections. The same entries serve both.

Order of precedence: a user's exact entry, his longest prefix, his first regex; then corrections the same way; then
genai-prices. An entry may replace the prices, add to them (`merge`), discount them, name an alias, or declare the
model free.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Literal

from spanwatch.core.prices.context import Item
from spanwatch.core.prices.rates import Rate

Match = Literal["exact", "prefix", "regex"]
QUARTER = timedelta(minutes=15)  # prices change on quarter hours: the plan cache keeps one plan per quarter


@dataclass(frozen=True, slots=True)
class Entry:
    """What one price entry says, about which models, and when.

    `rates` are by unit name, exact dollars per the unit's `per`. `hours` are UTC windows of a day. `weekdays` (0 is
    Monday) and `days` are those of the clock `utc_offset` hours ahead of UTC; `days`, when given, are the only ones.
    """

    model: str
    provider: str | None = None  # None: any
    match: Match = "exact"
    rates: Mapping[str, Rate] = field(default_factory=dict)
    merge: bool = False
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    hours: tuple[tuple[time, time], ...] = ()
    weekdays: frozenset[int] = frozenset(range(7))
    days: frozenset[date] = frozenset()
    utc_offset: int = 0
    when: tuple[Item, ...] = ()
    discount: Fraction | None = None
    per_request: Fraction = Fraction(0)
    per_second: Fraction | None = None
    minimum: tuple[tuple[str, int], ...] = ()
    free: bool = False
    alias: str | None = None
    link: str | None = None
    pattern: re.Pattern[str] | None = None

    @property
    def prices_something(self) -> bool:
        """Whether the entry brings prices of its own, rather than an alias or a discount."""
        return bool(self.rates or self.free or self.per_second is not None or self.per_request or self.minimum)

    def names(self, name: str) -> bool:
        """Whether the entry is about a model of this (lower-case) name."""
        if self.match == "exact":
            return name == self.model
        if self.match == "prefix":
            return name.startswith(self.model)
        return self.pattern is not None and self.pattern.search(name) is not None

    def holds(self, at: datetime, items: Sequence[Item]) -> bool:
        """Whether the entry is in force at a time (UTC) and for a context."""
        if (self.valid_from and at < self.valid_from) or (self.valid_to and at >= self.valid_to):
            return False
        if self.hours and not any(start <= at.time() < end for start, end in self.hours):
            return False
        local = at + timedelta(hours=self.utc_offset)
        if local.weekday() not in self.weekdays or (self.days and local.date() not in self.days):
            return False
        return all(item in items for item in self.when)


@dataclass(frozen=True, slots=True)
class Overlay:
    """Entries in their order, where they come from, and an index by exact name."""

    entries: tuple[Entry, ...] = ()
    source: str = "user"
    version: str = "user"
    _exact: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    _patterns: tuple[Entry, ...] = ()

    @property
    def sellers(self) -> frozenset[str]:
        """The providers that have entries of their own."""
        return frozenset(entry.provider for entry in self.entries if entry.provider)

    def find(
        self,
        provider: str,
        names: Sequence[str],
        at: datetime,
        items: Sequence[Item],
        kind: Callable[[Entry], object],
    ) -> list[Entry]:
        """Every entry in force for these names that `kind` accepts, best first."""
        found = [entry for name in names for entry in self._exact.get(name, ())]
        patterns = [entry for entry in self._patterns if any(entry.names(name) for name in names)]
        return [
            entry
            for entry in (*found, *patterns)
            if entry.provider in {None, provider} and kind(entry) and entry.holds(at, items)
        ]


def overlay(entries: Iterable[Entry], *, source: str = "user", version: str = "user") -> Overlay:
    """An overlay of entries: exact names before prefixes (longest first) before regular expressions (in order).

    Of two entries for one name, the one for the more special context comes first.
    """
    listed = tuple(sorted(entries, key=lambda entry: -len(entry.when)))
    exact: dict[str, tuple[Entry, ...]] = {}
    for entry in listed:
        if entry.match == "exact":
            exact[entry.model] = (*exact.get(entry.model, ()), entry)
    prefixes = sorted((e for e in listed if e.match == "prefix"), key=lambda e: -len(e.model))
    return Overlay(listed, source, version, exact, (*prefixes, *(e for e in listed if e.match == "regex")))
