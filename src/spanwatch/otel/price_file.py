"""The prices in force: installed or shipped data behind the user's file; a model without a price is told once."""

from __future__ import annotations

from pathlib import Path

from spanwatch.core.call import Call, Cost, CostReason
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.prices import Overlay, PriceBook, overlay_from
from spanwatch.core.settings import Settings
from spanwatch.otel.guard import say
from spanwatch.otel.price_data import price_data

MAX_TOLD = 1000  # models; a program that makes names up must not fill log and memory


class Pricing:
    """Prices calls; of each model without a price it says so once. May be called from any thread."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._told: dict[tuple[str | None, str], object] = {}

    def __call__(self, call: Call) -> Cost:
        """What a call costs."""
        cost = self._book.price_call(call)
        if cost.nano_usd is None and cost.reasons[0] is CostReason.NO_PRICE:
            self._tell(call.provider, call.response_model or call.request_model or "")
        return cost

    def _tell(self, provider: str | None, model: str) -> None:
        mine = object()  # no lock: this may run in a finalizer, and in a child that was forked meanwhile
        if len(self._told) >= MAX_TOLD or self._told.setdefault((provider, model), mine) is not mine:
            return
        say(
            "no price for model %r at %s: its calls are kept without a cost; give it one in your price file",
            model[:128],
            provider or "an unnamed provider",
        )


def price_book(settings: Settings) -> PriceBook:
    """The prices in force.

    Raises:
        ConfigurationError: the price file cannot be read.
        PriceDataError: it can, and is wrong.
    """
    user = None if settings.prices is None else user_prices(settings.prices, f"setting prices: {settings.prices}")
    return PriceBook(user, catalog=price_data(settings.home))


def user_prices(path: str, named: str) -> Overlay:
    """The prices in a user's file; `named` begins the error when there is none.

    Raises:
        ConfigurationError: the file cannot be read.
        PriceDataError: it can, and is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{named} cannot be read: {error}") from None
    return overlay_from(text, source=path)


def described(book: PriceBook) -> str:
    """Price data by date and version."""
    return f"{book.as_of} ({book.version})"
