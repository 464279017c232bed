"""PriceBook: the prices in force, asked for one call at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

from spanwatch.core.call import Call, CallStatus, Cost, CostReason, CostStatus, Usage
from spanwatch.core.prices import corrections
from spanwatch.core.prices.catalog import Catalog, shipped
from spanwatch.core.prices.context import Terms, call_terms
from spanwatch.core.prices.engine import cost_of, flat_cost
from spanwatch.core.prices.overlay import Overlay
from spanwatch.core.prices.plan import Plan, compile_plan
from spanwatch.core.prices.quoting import Ask, Sources, quote_of
from spanwatch.core.prices.rates import NoQuote
from spanwatch.core.prices.resolve import MAX_NAME, targets
from spanwatch.core.prices.shape import NOT_REPORTED

PLANS = 4096  # compiled plans kept, unknown models among them
_CALLED = 256  # of them with the terms of calls: what a program calls is a handful
_QUARTER_S = 900
_QUARTER_NS = _QUARTER_S * 10**9
_LAST_QUARTER = 4_000_000_000 // _QUARTER_S  # in 2096: a clock beyond is wrong, and datetime ends
_NO_TERMS, _NO_USAGE = Terms(), Usage()
_REFUSED = CallStatus.REFUSED  # an enumeration is slow to ask for its members
Context = tuple[tuple[str, Any], ...]


class PriceBook:
    """The prices in force: a user's overlay in front of the shipped corrections and genai-prices' data.

    May be shared by threads. Memory is bounded whatever names are asked for.
    """

    def __init__(self, user: Overlay | None = None, *, catalog: Catalog | None = None) -> None:
        self.sources = Sources(user or Overlay(), corrections.shipped(), catalog or shipped())
        self._plan = lru_cache(PLANS)(self._compiled)
        self._terms = lru_cache(PLANS)(call_terms)
        self._planned = lru_cache(_CALLED)(self._found_plan)
        self._window = lru_cache(PLANS)(self._found_window)

    @property
    def as_of(self) -> str:
        """The date of the price data."""
        return self.sources.catalog.as_of

    @property
    def version(self) -> str:
        """The version of the data, and of the user's prices."""
        user = self.sources.user
        return f"{self.sources.catalog.version} + {user.version}" if user.entries else self.sources.catalog.version

    def price(
        self,
        usage: Usage,
        *,
        provider: str | None,
        model: str | None,
        at_ns: int,
        terms: Terms = _NO_TERMS,
        lines: bool = False,
    ) -> Cost:
        """What `usage` of a model costs at a time, in UNIX nanoseconds; with `lines` explained line by line."""
        if terms.stated_nano is not None:
            return _stated(terms.stated_nano)
        if not model or len(model) > MAX_NAME:
            return _nameless(usage, model)
        plan = self._plan(provider, model, at_ns // _QUARTER_NS, terms.items, terms.aliases)
        return _applied(plan, terms, usage, terms.duration_s, lines=lines)

    def terms(self, call: Call) -> Terms:
        """What else moves the price of a call, by what is known of it."""
        try:
            return self._terms(call.price_context, call.server_address, call.scope, call.provider)
        except TypeError:  # a value in the context has no hash
            return call_terms(call.price_context, call.server_address, call.scope, call.provider)

    def context_limit(self, provider: str | None, model: str | None) -> int | None:
        """How many tokens a model reads at most, where the price data says it."""
        return self._window(provider, model) if model and len(model) <= MAX_NAME else None

    def price_call(self, call: Call) -> Cost:
        """What a call costs: as the server states it, else by the model that answered, else by the one requested."""
        if call.status is _REFUSED:
            return _unknown(CostReason.NOT_BILLED, "the call was refused before it reached the provider")
        stated = call.provider_cost_nano_usd
        if stated:
            return _stated(stated)
        listed = self._listed(call)
        if stated is None or listed.nano_usd:  # a stated 0 may be a key of one's own, billed elsewhere
            return listed
        return _stated(0)

    def _listed(self, call: Call) -> Cost:
        asked, answered = call.request_model, call.response_model
        cost = self._by(call, answered or asked)
        if not asked or asked == answered:
            return cost
        if answered:
            if CostReason.NO_PRICE not in cost.reasons:
                return cost
            stand_in = self._by(call, asked)
            cost = cost if stand_in.nano_usd is None else stand_in
        return _by_request(cost)

    def _by(self, call: Call, model: str | None) -> Cost:
        """The cost of a call by the prices of this model."""
        usage = _NO_USAGE if call.usage is None else call.usage
        if not model or len(model) > MAX_NAME:
            return _nameless(usage, model)
        context, host, scope, provider = call.price_context, call.server_address, call.scope, call.provider
        quarter = call.started_ns // _QUARTER_NS
        try:
            terms, plan = self._planned(context, host, scope, provider, model, quarter)
        except TypeError:  # a value in the context has no hash
            terms, plan = self._found_plan(context, host, scope, provider, model, quarter)
        return _applied(plan, terms, usage, call.duration_s)

    def _found_plan(  # noqa: PLR0917 (an argument is a part of the key that it is remembered by)
        self, context: Context, host: str | None, scope: str, provider: str | None, model: str, quarter: int
    ) -> tuple[Terms, Plan | NoQuote]:
        terms = call_terms(context, host, scope, provider)
        return terms, self._plan(provider, model, quarter, terms.items, terms.aliases)

    def _found_window(self, provider: str | None, model: str) -> int | None:
        for target in targets(provider, model, self.sources.sellers):
            found = self.sources.catalog.find(target.provider, target.names)
            if found is not None:
                return found.model.context_window
        return None

    def _compiled(
        self,
        provider: str | None,
        model: str,
        quarter: int,
        items: tuple[tuple[str, str], ...],
        aliases: tuple[tuple[str, str], ...],
    ) -> Plan | NoQuote:
        at = datetime.fromtimestamp(min(max(quarter, 0), _LAST_QUARTER) * _QUARTER_S, UTC)
        quote = quote_of(self.sources, Ask(provider, model, at, items, aliases))
        return quote if isinstance(quote, NoQuote) else compile_plan(quote)


def _applied(
    plan: Plan | NoQuote, terms: Terms, usage: Usage, seconds: float | Fraction | None, *, lines: bool = False
) -> Cost:
    """What usage and seconds cost by a plan, or why there is none."""
    if isinstance(plan, NoQuote):
        return _unknown(plan.reason, plan.detail) if usage else _unknown(CostReason.NO_USAGE, NOT_REPORTED)
    if terms.discount is not None:
        plan = replace(plan, quote=replace(plan.quote, discount=terms.discount))
    if plan.flat:
        return flat_cost(plan, seconds, lines=lines)
    cost = cost_of(plan, usage, exclusive=terms.exclusive, lines=lines)
    return _guessed(cost) if terms.estimated else cost


def _stated(nano_usd: int) -> Cost:
    return Cost(nano_usd, CostStatus.PRICED, source="provider", detail="stated by the provider")


def _unknown(reason: CostReason, detail: str) -> Cost:
    return Cost(None, CostStatus.UNKNOWN, (reason,), detail=detail)


def _nameless(usage: Usage, model: str | None) -> Cost:
    if not usage:
        return _unknown(CostReason.NO_USAGE, NOT_REPORTED)
    if not model:
        return _unknown(CostReason.NO_MODEL, "the model is not known")
    return _unknown(CostReason.NO_PRICE, f"no model has a name of {len(model)} characters")


def _guessed(cost: Cost) -> Cost:
    """A cost of counts that were guessed; one that lacks a part still says so first."""
    if cost.nano_usd is None:
        return cost
    if cost.status is CostStatus.PARTIAL:
        return replace(cost, reasons=(*cost.reasons, CostReason.USAGE_ESTIMATED))
    return replace(cost, status=CostStatus.ESTIMATED, reasons=(CostReason.USAGE_ESTIMATED, *cost.reasons))


def _by_request(cost: Cost) -> Cost:
    """A cost that the requested model's price stands in for."""
    if cost.nano_usd is None:
        return cost
    status = CostStatus.APPROXIMATE if cost.status is CostStatus.PRICED else cost.status
    return replace(cost, status=status, reasons=(*cost.reasons, CostReason.REQUEST_MODEL))
