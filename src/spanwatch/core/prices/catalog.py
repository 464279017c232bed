"""genai-prices as data: find a model, and the rates it has at a time and in a context.

The snapshot is private and never the library's global one, which other packages may swap; its own look-up methods
are not used because their caches never shrink. All arithmetic is on fractions, so no decimal context matters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from importlib.metadata import version as installed_version
from typing import Any

from genai_prices.data import providers as shipped_providers
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
)

from spanwatch.core.prices.context import Item
from spanwatch.core.prices.rates import Rate
from spanwatch.core.prices.resolve import is_version
from spanwatch.core.prices.units import BY_PRICE_KEY

_VERIFIED = re.compile(r"(?:verified|as|checked|published) (?:on|of|at) (20\d\d-\d\d-\d\d)")
# Sellers whose patterns may take a name further than its version: there a stranger's suffix is a model of its own.
_GUARDED = frozenset({"anthropic", "openai", "google", "azure", "aws", "deepseek", "mistral", "x-ai", "moonshotai"})


@dataclass(frozen=True, slots=True)
class Found:
    """A model of the data: where it is filed, and whether the seller only resells it."""

    seller: str
    entry: str
    model: ModelInfo
    own: bool  # False: the price of the maker stands in for the reseller's
    name: str  # the one of the asked names that found it


@dataclass(frozen=True, slots=True)
class Resolved:
    """The rates of one model at one time: unit → rate, and the context items they already answer."""

    sheet: dict[str, Rate]
    answered: frozenset[Item]


class Catalog:
    """One snapshot of price data. Immutable: share it between threads and processes."""

    def __init__(self, providers: Sequence[Provider], *, version: str, as_of: str) -> None:
        self.version = version
        self.as_of = as_of
        self._providers = {provider.id: provider for provider in providers}

    @property
    def sellers(self) -> frozenset[str]:
        """The ids of every provider with prices."""
        return self._ids

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self._providers)

    def models(self) -> list[tuple[str, ModelInfo]]:
        """Every model with the id of its seller."""
        return [(provider.id, model) for provider in self._providers.values() for model in provider.models]

    def find(self, seller: str, names: Sequence[str]) -> Found | None:
        """The model behind the first name that the seller lists, or None. Never a guess by a shorter name."""
        provider = self._providers.get(seller)
        if provider is None:
            return None
        everyone = list(self._providers.values())
        for name in names:
            model = provider.find_model(name, all_providers=everyone)
            if model is None or (seller in _GUARDED and not _belongs(model, name)):
                continue
            own = any(model is listed for listed in provider.models)
            home = seller if own else self._maker(provider, model)
            return Found(seller, f"{home}/{model.id}", model, own, name)
        return None

    def _maker(self, provider: Provider, model: ModelInfo) -> str:
        for other in provider.fallback_model_providers or ():
            if any(model is listed for listed in self._providers[other].models):
                return other
        return provider.id


def shipped() -> Catalog:
    """The data inside the installed genai-prices."""
    return catalog(shipped_providers, version=f"genai-prices {installed_version('genai-prices')}")


def catalog(providers: Sequence[Provider], *, version: str) -> Catalog:
    """A catalog of providers, dated by what they say themselves."""
    return Catalog(providers, version=version, as_of=_as_of(providers))


def sheets(model: ModelInfo) -> list[dict[str, Rate]]:
    """Every price list that a model has had, the newest last; variants come first."""
    variants = [variant.prices for variant in model.price_variants or []]
    prices = [model.prices] if isinstance(model.prices, ModelPrice) else [each.prices for each in model.prices]
    return [_sheet(each) for each in (*variants, *prices)]


def _as_of(providers: Sequence[Provider]) -> str:
    """The newest date on which the data says that a price was checked."""
    texts = (text for p in providers for text in (p.price_comments, *(m.price_comments for m in p.models)) if text)
    return max((date for text in texts for date in _VERIFIED.findall(text)), default="unknown")


def rates_of(found: Found, at: datetime, items: Sequence[Item]) -> Resolved:
    """The rates in force at a time (UTC), with every context item that the data knows already applied.

    A variant that the data dates from the day it was checked also holds before: its ratio to the standard price of
    that day is applied to the standard price of the asked time.
    """
    standard = _standard(found.model, at)
    sheet, answered = _sheet(standard), set[Item]()
    variants = found.model.price_variants or [] if found.own else []
    wanted = set(items)
    overrides: dict[str, Rate] = {}
    for variant in variants:
        if set(variant.when.items()) <= wanted and _active(variant, at):
            answered.update(variant.when.items())
            for unit, rate in _sheet(variant.prices).items():
                overrides.setdefault(unit, rate)
    for variant in _undated(variants, wanted - answered, at):
        answered.update(variant.when.items())
        for unit, rate in _backdated(found.model, variant, sheet).items():
            overrides.setdefault(unit, rate)
    return Resolved({**sheet, **overrides}, frozenset(answered))


def _active(variant: PriceVariant, at: datetime) -> bool:
    return variant.constraint is None or variant.constraint.active(at)


def _undated(variants: Sequence[PriceVariant], wanted: set[Item], at: datetime) -> list[PriceVariant]:
    """The earliest variant of each wanted kind that starts only later."""
    earliest: dict[frozenset[Item], PriceVariant] = {}
    for variant in variants:
        when = frozenset(variant.when.items())
        if not when <= wanted or not isinstance(variant.constraint, StartDateConstraint) or _active(variant, at):
            continue
        known = earliest.get(when)
        if known is None or variant.constraint.start_date < _start(known):
            earliest[when] = variant
    return list(earliest.values())


def _start(variant: PriceVariant) -> Any:
    return variant.constraint.start_date if isinstance(variant.constraint, StartDateConstraint) else None


def _backdated(model: ModelInfo, variant: PriceVariant, now: Mapping[str, Rate]) -> dict[str, Rate]:
    start = _start(variant)
    then = _sheet(_standard(model, datetime(start.year, start.month, start.day, 12, tzinfo=UTC)))
    rates = {}
    for unit, rate in _sheet(variant.prices).items():
        if unit not in now or unit not in then or not then[unit].base:
            continue
        scaled = now[unit].times(rate.base / then[unit].base)
        rates[unit] = scaled if rate.tiers else Rate(scaled.base)
    return rates


def _standard(model: ModelInfo, at: datetime) -> ModelPrice:
    if isinstance(model.prices, ModelPrice):
        return model.prices
    for conditional in reversed(model.prices):
        if conditional.constraint is None or conditional.constraint.active(at):
            return conditional.prices
    return model.prices[0].prices


def _sheet(prices: ModelPrice) -> dict[str, Rate]:
    return {
        BY_PRICE_KEY[key].name: _rate(value)
        for key, value in vars(prices).items()
        if value is not None and key in BY_PRICE_KEY
    }


def _rate(value: Decimal | TieredPrices) -> Rate:
    if isinstance(value, TieredPrices):
        return Rate(Fraction(value.base), tuple((tier.start, Fraction(tier.price)) for tier in value.tiers))
    return Rate(Fraction(value))


def _belongs(model: ModelInfo, name: str) -> bool:
    """Whether a name that the data's pattern lets through is that model, not a new sibling with a longer name."""
    if name.startswith("ft:") or ".ft-" in name:
        return True
    dashed = re.sub(r"-(20\d\d)(\d\d)(\d\d)(?=-|:|$)", r"-\1-\2-\3", name)
    return any(_exact(model.match, text) for text in (name, dashed))


def _exact(clause: Any, name: str) -> bool:
    match clause:
        case ClauseOr(or_=clauses):
            return any(_exact(part, name) for part in clauses)
        case ClauseAnd(and_=clauses):
            plain = [part for part in clauses if not isinstance(part, ClauseRegex)]
            return clause.is_match(name) and any(_exact(part, name) for part in plain)
        case ClauseStartsWith(starts_with=prefix):
            return clause.is_match(name) and is_version(name[len(prefix) :])
        case ClauseContains(contains=part):
            before, found, after = name.partition(part.lower())
            return bool(found) and before[-1:] in {"", ".", "/", ":", "-"} and is_version(after)
        case ClauseEquals() | ClauseEndsWith() | ClauseRegex():
            return bool(clause.is_match(name))
    return True
