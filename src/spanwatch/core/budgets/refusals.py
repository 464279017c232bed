"""From a ledger's refusal to the error that the application sees."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from spanwatch.core.budgets.claims import Counter, Refusal
from spanwatch.core.errors import BudgetExceeded
from spanwatch.core.money import to_usd


def exceeded(refusal: Refusal) -> BudgetExceeded:
    """The error of a call that does not fit."""
    counter = refusal.claim.counter
    numbers: list[Decimal | int] = [refusal.limit, refusal.spent, refusal.held, refusal.estimate]
    if refusal.unit == "usd":
        numbers = [to_usd(int(number)) for number in numbers]
    limit, spent, held, asked = numbers
    return BudgetExceeded(counter.budget, counter.scope, limit, spent, held, asked, resets_at(counter))


def unpriced(counter: Counter) -> BudgetExceeded:
    """The error of a call without a price on a budget that denies such calls; what is spent is not asked for then."""
    limit = to_usd(counter.limits.nano_usd or 0)
    return BudgetExceeded(counter.budget, counter.scope, limit, None, None, None, resets_at(counter))


def unreachable(counter: Counter, error: Exception) -> BudgetExceeded:
    """The error of a call on a closed budget whose ledger cannot be used."""
    limits = counter.limits
    limit: Decimal | int = to_usd(limits.nano_usd) if limits.nano_usd is not None else limits.tokens or 0
    return BudgetExceeded(counter.budget, counter.scope, limit, None, None, None, resets_at(counter), str(error))


def resets_at(counter: Counter) -> datetime | None:
    """When room comes back by itself: the end of the window; for a rolling one, when all that counts now is past."""
    return None if counter.end is None else datetime.fromtimestamp(counter.end, UTC)
