"""Budgets: declared, scoped to windows, estimated; the arithmetic that every ledger shares. No ledger here."""

from __future__ import annotations

from spanwatch.core.budgets.claims import (
    Action,
    Amount,
    Claim,
    Counter,
    Crossing,
    Refusal,
    Reserved,
    Settled,
    Standing,
    Tally,
    levels_in,
)
from spanwatch.core.budgets.declaration import Budget, distinct
from spanwatch.core.budgets.estimates import Asked, Estimate, estimate, guess
from spanwatch.core.budgets.levels import Level, level_of, utilization
from spanwatch.core.budgets.parsing import budget_from_text, budgets_from
from spanwatch.core.budgets.refusals import exceeded, resets_at, unpriced, unreachable
from spanwatch.core.budgets.scopes import scope_from, scope_of

__all__ = [
    "Action",
    "Amount",
    "Asked",
    "Budget",
    "Claim",
    "Counter",
    "Crossing",
    "Estimate",
    "Level",
    "Refusal",
    "Reserved",
    "Settled",
    "Standing",
    "Tally",
    "budget_from_text",
    "budgets_from",
    "distinct",
    "estimate",
    "exceeded",
    "guess",
    "level_of",
    "levels_in",
    "resets_at",
    "scope_from",
    "scope_of",
    "unpriced",
    "unreachable",
    "utilization",
]
