"""The explanation of a price as text: what was counted, at which rate, from whose list, and what to do when unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from spanwatch.core.call import Cost, CostLine, CostReason
from spanwatch.core.harmless import clean
from spanwatch.core.money import EXACT, usd_text
from spanwatch.core.prices import PriceBook
from spanwatch.core.providers import price_id
from spanwatch.core.times import shown
from spanwatch.reports.screen import Screen
from spanwatch.reports.table import Cell, Column, table

_COLUMNS = (
    Column("unit", flexible=True),
    Column("count", right=True),
    Column("USD", right=True),
    Column("per", right=True),
    Column("amount", right=True),
)
_SUFFIXES = {1: "1", 1000: "1k", 1_000_000: "1M", 3600: "hour"}
_SOURCES = {
    "user": "your price file",
    "spanwatch": "a correction that spanwatch ships",
    "genai-prices": "genai-prices",
    "provider": "the provider itself",
}
_REMEDIES = {
    CostReason.NO_USAGE: "Give counts, such as --input 1000 --output 100; or, for a price per second, "
    "--context duration_s=2.5.",
    CostReason.NO_MODEL: "Give --model.",
    CostReason.INCONSISTENT_USAGE: "A part is more than its whole. --input includes cached, written and audio tokens; "
    "counts that leave cached tokens out need --context convention=exclusive.",
    CostReason.SUBSCRIPTION: "What you pay is no price per call: set free = true, or your own price, in a price file.",
}


@dataclass(frozen=True, slots=True)
class Question:
    """Whose price is asked for, at which time (UNIX nanoseconds)."""

    provider: str | None
    model: str
    at_ns: int


def amount_of(line: CostLine) -> str:
    """What a line comes to, exactly, as decimal text."""
    exact = Fraction(str(line.count)) * Fraction(line.usd_per) / line.per
    value = EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return f"{value:f}"


def price_text(asked: Question, cost: Cost, book: PriceBook, screen: Screen) -> list[str]:
    """Lines for people."""
    who = f"{clean(asked.provider or 'any provider')} {clean(asked.model)}"
    lines = [f"{screen.style(who, 'bold')} at {shown(asked.at_ns)} UTC", ""]
    if cost.lines:
        lines += [*table(_COLUMNS, [*map(_row, cost.lines), _total(cost)], screen, indent="  "), ""]
    lines += [f"{screen.style(f'{name:<8}', 'dim')}{text}" for name, text in _facts(cost, book)]
    if cost.nano_usd is None:
        lines += ["", *_remedy(asked, cost, book)]
    return lines


def _row(line: CostLine) -> list[Cell]:
    per = _SUFFIXES.get(line.per, f"{line.per:,}")
    return [Cell(line.unit), Cell(f"{line.count:,}"), Cell(line.usd_per), Cell(per), Cell(amount_of(line))]


def _total(cost: Cost) -> list[Cell]:
    listed = cost.list_nano_usd if cost.list_nano_usd is not None else cost.nano_usd
    return [Cell("total", "bold"), Cell(""), Cell(""), Cell(""), Cell(usd_text(listed or 0), "bold")]


def _facts(cost: Cost, book: PriceBook) -> Iterator[tuple[str, str]]:
    yield "cost", "unknown" if cost.nano_usd is None else f"{usd_text(cost.nano_usd)} USD"
    if cost.list_nano_usd is not None:
        yield "list", f"{usd_text(cost.list_nano_usd)} USD before your discount"
    reasons = ", ".join(cost.reasons)
    yield "status", cost.status.value + (f" ({reasons})" if reasons else "")
    if cost.source is not None:
        yield "source", f"{_SOURCES[cost.source]}" + (f" ({clean(cost.price_version)})" if cost.price_version else "")
    if cost.detail:
        yield "detail", clean(cost.detail)
    yield "data", f"as of {book.as_of} ({clean(book.version)})"


def _remedy(asked: Question, cost: Cost, book: PriceBook) -> Iterator[str]:
    known = next((text for reason, text in _REMEDIES.items() if reason in cost.reasons), None)
    if known is not None:
        yield known
        return
    provider = price_id(asked.provider)
    listed = [model.id for seller, model in book.sources.catalog.models() if seller == provider]
    close = difflib.get_close_matches(asked.model.lower(), listed, n=3)
    if close:
        yield f"Listed at {provider} with a similar name: {', '.join(map(clean, close))}."
    elif asked.provider and not listed:
        yield f"No list names a provider {clean(asked.provider)}: check --provider."
    elif not asked.provider:
        yield "No list has a model of this name: say who serves it, such as --provider openai."
    yield "Give it a price, or say what a deployment's name stands for, in a price file (setting prices):"
    yield ""
    yield "  [[price]]"
    if asked.provider:
        yield f'  provider = "{clean(asked.provider)}"'
    yield f'  model = "{clean(asked.model)}"'
    yield '  prices = { input_mtok = "2.50", output_mtok = "10" }   # dollars per million tokens'
    yield '  # or: alias = "openai/gpt-4o"   or: per_second = "0.0007"   or: free = true'
