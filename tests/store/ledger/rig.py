"""What the tests of ledgers share: times, claims, and short ways to the numbers."""

from __future__ import annotations

import itertools
from typing import Any

from spanwatch.core.budgets import Amount, Budget, Claim, Counter, Tally
from spanwatch.core.names import USER_ID

SECOND = 1_000_000_000
DAY = 86_400
START = 1_790_000_000 - 1_790_000_000 % DAY  # a midnight in UTC
NOW = START * SECOND
_numbers = itertools.count(1)


def call_id() -> str:
    return f"{next(_numbers):032x}"


def counter(user: str = "u-1", *, at: int = START, **budget: Any) -> Counter:
    """An account of a budget of 100 nano-USD a day for each user, unless said otherwise."""
    declared: dict[str, Any] = {"name": "daily", "usd": "0.0000001", "per": "user.id", **budget}
    found = Budget(**declared).counter({USER_ID: user}, at)
    assert found is not None
    return found


def claim(nano: int, asked_tokens: int = 0, *, unpriced: int = 0, **options: Any) -> Claim:
    return Claim(counter(**options), Amount(nano, asked_tokens, unpriced))


def tally(ledger: Any, **options: Any) -> Tally:
    return ledger.standing(counter(**options)).tally


def spent_and_held(ledger: Any, **options: Any) -> tuple[int, int]:
    found = tally(ledger, **options)
    return found.spent_nano, found.held_nano
