"""The rules that are shipped: success rate, response time, cost, budgets, ratings, and whether figures are whole."""

from __future__ import annotations

from decimal import Decimal

from spanwatch.core.rules import making
from spanwatch.core.rules.declaration import Rule


def defaults(
    *, success_rate: float = 0.9, mean_s: float = 5.0, usd_per_day: float | Decimal = 50, rating: float = 3.0
) -> tuple[Rule, ...]:
    """The classic three and what goes with them: success rate below 90 %, mean response above 5 s, cost above a limit.

    Budgets at 80 and 100 %, low ratings, calls without a price and lost telemetry follow. All of them are PromQL.
    """
    above = round(1 - success_rate, 9)
    return (
        making.error_rate(above, of="requests", inhibits=("HighCallErrorRate",)),
        making.error_rate(above, of="calls", severity="warning"),
        making.latency(None, mean_s, severity="warning"),
        making.spend(usd_per_day, "1d", severity="warning"),
        making.budget("*", 1.0, name="BudgetIsSpent", inhibits=("BudgetIsNearlySpent",)),
        making.budget("*", 0.8, name="BudgetIsNearlySpent"),
        making.feedback(rating),
        making.unpriced_share(),
        making.telemetry_loss(),
    )
