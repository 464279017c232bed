"""The budgets of one `spanwatch run`: named after the run, and asked after its end whether they were hit."""

from __future__ import annotations

import time
from collections.abc import Sequence

from spanwatch.core.budgets import budget_from_text
from spanwatch.core.budgets.claims import PPM
from spanwatch.core.budgets.parsing import RUN
from spanwatch.core.errors import LedgerUnavailable, UsageError
from spanwatch.core.settings import Settings
from spanwatch.otel.budgets.asking import status_of
from spanwatch.otel.budgets.ledgers import ledger_of

BUDGET_HIT = 3


def run_budgets(texts: Sequence[str], run_id: str) -> list[str]:
    """The budgets as the program is told them; one without a name is this run's alone.

    Raises:
        UsageError: a text is no budget, or two have one name.
    """
    found: dict[str, str] = {}
    for text in texts:
        name = budget_from_text(text).name
        unnamed = name == RUN and not text.strip().startswith(f"{RUN}=")
        told = f"{RUN}-{run_id[:8]}={text.strip()}" if unnamed else text.strip()
        if budget_from_text(told).name in found:
            raise UsageError(f"--budget {text}: give each budget a name of its own, such as daily=5/day")
        found[budget_from_text(told).name] = told
    return list(found.values())


def open_to_all(settings: Settings) -> None:
    """Check that every process of the run can share the ledger, and that we can ask it afterwards.

    Raises:
        UsageError: it is in memory.
        LedgerUnavailable: it cannot be used.
    """
    if settings.ledger_in_force == "memory":
        raise UsageError(
            "--budget needs a ledger that processes share: set SPANWATCH_LEDGER to sqlite or a redis:// URL"
        )
    ledger = ledger_of(settings)
    try:
        ledger.standings(time.time_ns(), limit=1)
    finally:
        ledger.close()


def hit(settings: Settings, budgets: Sequence[str]) -> list[str]:
    """A line for each budget that refused a call, or that is spent."""
    ledger, lines = ledger_of(settings), []
    try:
        for budget in map(budget_from_text, budgets):
            full = 1 << budget.limits.levels.index(PPM)
            for standing in ledger.standings(time.time_ns(), budget=budget.name):
                if standing.tally.fired & full:
                    status = status_of(standing)
                    unit = "tokens" if isinstance(status.budget, int) else "USD"
                    spent = f"{status.cost} of {status.budget} {unit} are spent"
                    lines.append(f"spanwatch: budget {budget.name!r} was hit: {spent}; exit code {BUDGET_HIT}")
    except LedgerUnavailable as error:
        lines.append(f"spanwatch: nobody knows whether a budget was hit: {error}; exit code {BUDGET_HIT}")
    finally:
        ledger.close()
    return lines
