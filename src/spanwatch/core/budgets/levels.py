"""Level: a part of a budget's limit that was reached, or is not any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spanwatch.core.budgets.claims import Counter, Crossing, Standing, Tally
from spanwatch.core.budgets.refusals import resets_at
from spanwatch.core.money import to_usd


@dataclass(frozen=True, slots=True)
class Level:
    """`level` is a part of the limit, such as 0.8. Told once per scope and window, and `resolved` once after it.

    `limit`, `spent` and `remaining` are USD as `Decimal`, or whole tokens for a budget of tokens alone; `remaining` is
    below 0 when more was spent. `refused` says that a call was turned away, whatever is spent. `resets_at` is None when
    room never comes back by itself.
    """

    budget: str
    scope: str
    level: float
    limit: Decimal | int
    spent: Decimal | int
    refused: bool = False
    resolved: bool = False
    resets_at: datetime | None = None

    @property
    def remaining(self) -> Decimal | int:
        """What is left of the limit."""
        return self.limit - self.spent


def level_of(crossing: Crossing, *, resolved: bool = False) -> Level:
    """A ledger's crossing as it is told."""
    counter = crossing.counter
    limit, spent = figures(counter, crossing.spent)
    when = resets_at(counter)
    return Level(counter.budget, counter.scope, crossing.level, limit, spent, crossing.refused, resolved, when)


def figures(counter: Counter, tally: Tally) -> tuple[Decimal, Decimal] | tuple[int, int]:
    """Limit and spend: in USD, or in tokens where there is no other limit."""
    limits = counter.limits
    if limits.nano_usd is not None:
        return to_usd(limits.nano_usd + tally.extra_nano), to_usd(tally.spent_nano)
    return (limits.tokens or 0) + tally.extra_tokens, tally.spent_tokens


def utilization(standing: Standing) -> float:
    """The part of the limit that is spent, by dollars or tokens, whichever is nearer to its limit."""
    tally, parts = standing.tally, [0.0]
    if standing.limit_nano is not None:
        parts.append(tally.spent_nano / max(1, standing.limit_nano + tally.extra_nano))
    if standing.limit_tokens is not None:
        parts.append(tally.spent_tokens / max(1, standing.limit_tokens + tally.extra_tokens))
    return max(parts)
