"""`spanwatch.price()`: what usage costs, by the prices of this process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from spanwatch.core.call import Cost, Usage
from spanwatch.core.prices import PriceBook, Terms, overlay_of, terms_of, usage_of
from spanwatch.core.prices.context import mapping
from spanwatch.core.times import nanoseconds
from spanwatch.otel.environment import settings_from
from spanwatch.otel.price_file import price_book

_NO_TERMS = Terms()
_PRICE_KEYS = frozenset({"prices", "tiers", "per_second", "add_per_request", "free", "merge"})


def price(
    usage: Usage | Mapping[str, Any],
    *,
    provider: str | None = None,
    model: str | None = None,
    at: datetime | str | None = None,
    context: Mapping[str, Any] | None = None,
) -> Cost:
    """What usage of a model costs, exact to the nano-USD, or why that is not known.

    Args:
        usage: A `Usage`, or counts by name such as `{"input_tokens": 1240, "output_tokens": 86}`; a count includes
            its subsets (`input_tokens` the cached ones). Tool calls and seconds go by their genai-prices names.
        provider: Any known spelling, such as `openai`, `azure.ai.openai`, `aws.bedrock`; None when a gateway hides it.
        model: The name that answered, dated, prefixed or fine-tuned as it came.
        at: When the call began; a time without zone is UTC. None is now.
        context: What else moves the price: `service_tier`, `processing` (`batch`), `speed`, `geo`; `aliases` of
            deployments; `discount`; `duration_s` for prices per second; `convention`; `usage` (`estimated`, where
            the counts were guessed); `stated_usd`. Prices of your own for this call go before all others, by the keys
            of a price file: `prices`, `tiers`, `per_second`, `add_per_request`, `free`, `merge`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a count or a context value is impossible, or the price file of this process is wrong.
    """
    counts = usage if isinstance(usage, Usage) else _counts(usage)
    book, terms = IN_FORCE.book(), _NO_TERMS
    if context is not None:
        terms = terms_of({key: value for key, value in mapping(context).items() if key not in _PRICE_KEYS})
        own = {key: value for key, value in context.items() if key in _PRICE_KEYS}
        if own and model:
            book = PriceBook(overlay_of([{"model": model, **own}], source="context"), catalog=book.sources.catalog)
    for name, value in (("provider", provider), ("model", model)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be a text, not {type(value).__name__}")
    return book.price(
        counts, provider=provider, model=model, at_ns=time.time_ns() if at is None else _nanoseconds(at), terms=terms
    )


class InForce:
    """The prices of this process: those configured, else those that the environment and `spanwatch.toml` name."""

    def __init__(self) -> None:
        self._configured: PriceBook | None = None
        self._named = cache(lambda: price_book(settings_from({})))

    def use(self, book: PriceBook | None) -> None:
        """Use these prices, or with None again those of the environment."""
        self._configured = book

    def book(self) -> PriceBook:
        """The prices to use now; read at the first use."""
        return self._configured or self._named()


IN_FORCE = InForce()


def _counts(usage: Mapping[str, Any]) -> Usage:
    if not isinstance(usage, Mapping):
        raise TypeError(f"usage must be a Usage or a mapping of counts, not {type(usage).__name__}")
    return usage_of(usage)


def _nanoseconds(at: datetime | str) -> int:
    given = datetime.fromisoformat(at) if isinstance(at, str) else at
    if not isinstance(given, datetime):
        raise TypeError(f"at must be a datetime or an ISO 8601 text, not {type(at).__name__}")
    return nanoseconds(given)
