"""Budgets by name: `budgets.status()` says what they stand at, `budgets.guard()` refuses what has no room.

Declare them with `spanwatch.configure(budgets=[spanwatch.Budget(...)])` or in `spanwatch.toml`.
"""

from __future__ import annotations

from spanwatch.core.budgets import Amount, Asked, Budget, Estimate, Level
from spanwatch.core.errors import BudgetExceeded, LedgerUnavailable
from spanwatch.otel.budgets.asking import Status, guard, status

__all__ = [
    "Amount",
    "Asked",
    "Budget",
    "BudgetExceeded",
    "Estimate",
    "LedgerUnavailable",
    "Level",
    "Status",
    "guard",
    "status",
]
