"""Figures as people read them. Unknown is a word or a dash, never 0; an amount too small to show is not 0 either."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from spanwatch.core.money import EXACT, to_usd
from spanwatch.reports.screen import Screen
from spanwatch.store.summary import Sums

NONE = "-"
_SMALLEST = Decimal("0.000001")


def number(value: int | None) -> str:
    """A count with thousands separated; a dash when unknown."""
    return NONE if value is None else f"{value:,}"


def counted(value: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def seconds(value: float | None) -> str:
    """A duration: `850 us`, `12.3 ms`, `4.56 s`, `3m 20s`, `2h 5m`; a dash when unknown."""
    if value is None:
        return NONE
    if value < 0.001:
        return f"{value * 1e6:.0f} us"
    if value < 0.9995:
        return f"{value * 1e3:.3g} ms" if value < 0.0995 else f"{value * 1e3:.0f} ms"
    if value < 99.95:
        return f"{value:.3g} s"
    whole = round(value)
    return f"{whole // 60}m {whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def dollars(nano: int | None) -> str:
    """An amount: whole below a millionth, 6 decimals below 1 dollar, 4 below 100, 2 above; a dash when unknown."""
    if nano is None:
        return NONE
    usd = to_usd(nano)
    if 0 < abs(usd) < _SMALLEST:
        return f"{'-' if usd < 0 else ''}${abs(usd):f}"
    step = _SMALLEST if abs(usd) < 1 else Decimal("0.0001") if abs(usd) < 100 else Decimal("0.01")
    shown = abs(usd).quantize(step, rounding=ROUND_HALF_EVEN, context=EXACT)
    return f"{'-' if usd < 0 else ''}${shown:,}"


def cost(nano: int | None, screen: Screen, *, lower_bound: bool, guessed: bool = False) -> str:
    """An amount with its marks: at least so much, about so much."""
    if nano is None:
        return NONE
    bound = ("≥" if screen.unicode else ">=") if lower_bound else ""
    about = "~" if guessed else ""
    return f"{bound}{about}{dollars(nano)}"


def cost_of(sums: Sums, screen: Screen) -> str:
    """What calls cost, with its marks: unknown where all of them lack a price, a dash where none could have one."""
    if sums.nano_usd is None:
        return "unknown" if sums.unpriced else NONE
    guessed = bool(sums.approximate or sums.estimated)
    return cost(sums.nano_usd, screen, lower_bound=sums.is_lower_bound, guessed=guessed)


def size(count: int) -> str:
    """Bytes: `512 B`, `1.5 KiB`, `2.0 GiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
