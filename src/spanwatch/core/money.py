"""Money: integer nano-USD inside, `Decimal` at the edge, double on telemetry.

A nano-USD is 1e-9 USD. An int64 holds 9.2e9 USD of them, sums are independent of order, and a released
reservation settles to exactly zero.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

NANO_PER_USD = 1_000_000_000

# Never the thread's own context: the host may have set any precision or trap on it.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[])

MAX_DIGITS = 49  # of an amount in nano-USD

_NANO = Decimal(NANO_PER_USD)
_WHOLE = Decimal(1)


def to_nano(usd: Decimal | int | str) -> int:
    """Dollars to nano-USD, rounded half to even once.

    Raises:
        ValueError: the amount is not a finite number.
    """
    value = EXACT.multiply(EXACT.create_decimal(str(usd)), _NANO)
    if not value.is_finite() or value.adjusted() >= MAX_DIGITS:
        raise ValueError(f"an amount in USD must be a finite number below 1e{MAX_DIGITS - 9}, not {usd!r}")
    return int(value.quantize(_WHOLE, context=EXACT))


def to_usd(nano: int) -> Decimal:
    """Nano-USD to dollars, exact, without trailing zeros."""
    value = EXACT.divide(Decimal(nano), _NANO).normalize(EXACT)
    return value.quantize(_WHOLE, context=EXACT) if value == value.to_integral_value() else value  # 10, not 1E+1


def usd_text(nano: int) -> str:
    """Nano-USD as a plain decimal string, never in scientific notation: 140 → `0.00000014`."""
    return f"{to_usd(nano):f}"


def usd_float(nano: int) -> float:
    """Nano-USD as a double for span attributes and metrics; exact below 9.0e6 USD."""
    return nano / NANO_PER_USD
