"""From provider, model, time and context to a quote: user's prices, then shipped corrections, then genai-prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from spanwatch.core.call import CostReason
from spanwatch.core.prices.catalog import Catalog, Found, Resolved, rates_of
from spanwatch.core.prices.context import Item
from spanwatch.core.prices.corrections import SURCHARGES, Surcharge
from spanwatch.core.prices.overlay import Entry, Overlay
from spanwatch.core.prices.rates import NoQuote, Quote, Rate, Sheet
from spanwatch.core.prices.resolve import Target, targets
from spanwatch.core.prices.units import UNITS
from spanwatch.core.providers import price_id

# (seller, maker) whose price lists agree: Azure sells OpenAI's and Anthropic's models, Vertex AI Anthropic's.
_SAME_PRICE = frozenset({("azure", "openai"), ("azure", "anthropic"), ("google", "anthropic")})
_NO_RATES = Resolved({}, frozenset())


@dataclass(frozen=True, slots=True)
class Sources:
    """The three layers of prices, in their order."""

    user: Overlay
    corrections: Overlay
    catalog: Catalog

    @property
    def sellers(self) -> frozenset[str]:
        """Every provider that has prices in any layer."""
        return self.catalog.sellers | self.user.sellers


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of the sources: whose model, when (UTC), and in which context."""

    provider: str | None
    model: str
    at: datetime
    items: tuple[Item, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()  # deployment → "provider/model" or model


def quote_of(sources: Sources, ask: Ask) -> Quote | NoQuote:
    """The prices that answer `ask`, or why there are none."""
    empty: NoQuote | None = None
    for provider, model in _meant(sources, ask):
        for target in targets(provider, model, sources.sellers):
            answer = _quote_at(sources, target, ask)
            if isinstance(answer, Quote):
                return answer
            empty = empty or answer
    return empty or NoQuote(CostReason.NO_PRICE, f"no price for {ask.model} at {ask.provider or 'an unnamed provider'}")


def _meant(sources: Sources, ask: Ask) -> Iterator[tuple[str | None, str]]:
    """What an alias stands for, or the asked model itself."""
    alias = _alias(sources, ask)
    if alias is None:
        yield ask.provider, ask.model
        return
    head, slash, tail = alias.partition("/")
    if slash and price_id(head) in sources.sellers:
        yield head, tail
    yield ask.provider, alias


def _alias(sources: Sources, ask: Ask) -> str | None:
    name = ask.model.strip().lower()
    for deployment, stands_for in ask.aliases:
        if deployment.strip().lower() == name:
            return stands_for
    seller = price_id(ask.provider) or ""
    found = sources.user.find(seller, [name], ask.at, ask.items, lambda entry: entry.alias)
    return found[0].alias if found else None


def _quote_at(sources: Sources, target: Target, ask: Ask) -> Quote | NoQuote | None:
    own, overlay = _entry(sources, target, ask)
    found = sources.catalog.find(target.provider, target.names)
    listed = _NO_RATES if found is None else rates_of(found, ask.at, ask.items)
    if own is None:
        if found is None:
            return None
        if not listed.sheet:
            return _empty(sources, target, ask, found)
        quote = Quote(listed.sheet, "genai-prices", found.entry, sources.catalog.version)
        answered = listed.answered
    else:
        sheet, answered = _laid_over(own, found, listed, ask)
        quote = Quote(
            sheet,
            overlay.source,
            f"{target.provider}/{own.model}",
            overlay.version,
            per_second=own.per_second,
            per_request=own.per_request,
            minimum=own.minimum,
            free=own.free,
        )
    return _discounted(sources, target, ask, _doubted(quote, target, found, _surcharged(quote, target, ask, answered)))


def _entry(sources: Sources, target: Target, ask: Ask) -> tuple[Entry | None, Overlay]:
    """The best entry with prices of its own, and the layer that it is in."""
    for layer in (sources.user, sources.corrections):
        found = layer.find(target.provider, target.names, ask.at, ask.items, lambda entry: entry.prices_something)
        if found:
            return found[0], layer
    return None, sources.corrections


def _laid_over(
    entry: Entry, found: Found | None, listed: Resolved, ask: Ask
) -> tuple[dict[str, Rate], frozenset[Item]]:
    """An entry's rates, over the listed ones if it merges: then a context moves them as it moves the listed ones."""
    adds = entry.merge or not (entry.rates or entry.free or entry.per_second is not None)
    if not adds or found is None:
        return dict(entry.rates), frozenset(entry.when)
    standard = rates_of(found, ask.at, ()).sheet if listed.answered - set(entry.when) else listed.sheet
    heirs = {name: rate.times(_ratio(listed.sheet, standard, name)) for name, rate in entry.rates.items()}
    return {**listed.sheet, **heirs}, listed.answered | set(entry.when)


def _ratio(now: Sheet, standard: Sheet, name: str) -> Fraction:
    for unit in (name, f"{UNITS[name].direction}_tokens"):
        if unit in now and unit in standard and standard[unit].base:
            return now[unit].base / standard[unit].base
    return Fraction(1)


def _empty(sources: Sources, target: Target, ask: Ask, found: Found) -> Quote | NoQuote:
    """A model that the data lists without any price: free by its name, in a subscription, or simply not priced."""
    if found.model.id.endswith(":free") or target.names[0].endswith(":free"):
        quote = Quote({}, "genai-prices", found.entry, sources.catalog.version, free=True)
        return _discounted(sources, target, ask, quote)
    if "subscription" in (found.model.price_comments or "").lower():
        return NoQuote(CostReason.SUBSCRIPTION, f"{found.entry} is part of a subscription and has no price per call")
    return NoQuote(CostReason.NO_PRICE, f"{found.entry} is listed without a price")


def _surcharged(quote: Quote, target: Target, ask: Ask, answered: frozenset[Item]) -> Quote:
    """Apply the published factors to what the prices do not answer themselves; the rest leaves a doubt."""
    sheet, open_items = quote.sheet, []
    for item in ask.items:
        if item in answered:
            continue
        surcharge = None if quote.source == "user" else _surcharge(target, quote, item)
        if surcharge is None or not surcharge.certain:
            open_items.append("=".join(item))
        if surcharge is not None:
            sheet = {n: r.times(surcharge.factor) if UNITS[n].is_token else r for n, r in sheet.items()}
    if not open_items or quote.free:
        return replace(quote, sheet=sheet)
    detail = f"no price for {', '.join(open_items)}: the nearest one is taken"
    return replace(quote, sheet=sheet, doubts=(*quote.doubts, CostReason.UNKNOWN_CONTEXT), detail=detail)


def _surcharge(target: Target, quote: Quote, item: Item) -> Surcharge | None:
    names = (*target.names, quote.entry.partition("/")[2])
    for surcharge in SURCHARGES:
        if (surcharge.provider, surcharge.key) != (target.provider, item[0]) or surcharge.value not in {None, item[1]}:
            continue
        if _any_starts(names, surcharge.except_models):
            if surcharge.value is not None:
                return replace(surcharge, factor=Fraction(1))
        elif _any_starts(names, surcharge.models):
            return surcharge
    return None


def _any_starts(names: Sequence[str], prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefixes) for name in names)


def _doubted(quote: Quote, target: Target, found: Found | None, surcharged: Quote) -> Quote:
    if found is not None and not found.own and quote.source == "genai-prices":
        maker = found.entry.partition("/")[0]
        if (target.provider, maker) not in _SAME_PRICE:
            detail = f"{found.entry} stands in for {target.provider}'s own price"
            surcharged = replace(surcharged, doubts=(CostReason.PROVIDER_ASSUMED, *surcharged.doubts), detail=detail)
    if target.assumed:
        detail = f"{quote.entry}, assumed from the model's name"
        surcharged = replace(surcharged, doubts=(CostReason.PROVIDER_ASSUMED, *surcharged.doubts), detail=detail)
    if target.rerouted and (found is None or found.name != target.names[0]) and not quote.free:
        detail = f"the route that {target.names[0]} asks for may cost more or less"
        surcharged = replace(surcharged, doubts=(*surcharged.doubts, CostReason.UNKNOWN_CONTEXT), detail=detail)
    return surcharged


def _discounted(sources: Sources, target: Target, ask: Ask, quote: Quote) -> Quote:
    found = sources.user.find(
        target.provider, target.names, ask.at, ask.items, lambda entry: entry.discount is not None
    )
    return replace(quote, discount=found[0].discount) if found else quote
