"""The exceptions of spanwatch.

    SpanwatchError
    ├── BudgetExceeded                     a call was refused: it may cost more than a budget has left
    ├── CircuitOpen                        a breaker is open: its alert fires
    ├── ConfigurationError (ValueError)    a setting, argument or file is wrong
    │   └── ExpressionError                a rule's PromQL is refused; names the place and what to write instead
    ├── EvaluationError                    an expression has no value: its sides match many to many, say
    ├── LedgerUnavailable                  a budget ledger cannot be reached or used in time
    ├── UsageError (ValueError)            a command line asks for something that cannot be
    ├── StoreError                         the store cannot be opened or read
    ├── PriceDataError (ValueError)        a price file fails its checks; the last good one is kept
    └── StackError                         a program of the local stack is missing, does not start or does not end

Telemetry itself raises none of them into the application, except `BudgetExceeded` and `CircuitOpen` by contract:
only functions called by name do.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

__all__ = [
    "BudgetExceeded",
    "CircuitOpen",
    "ConfigurationError",
    "EvaluationError",
    "ExpressionError",
    "LedgerUnavailable",
    "PriceDataError",
    "SpanwatchError",
    "StackError",
    "StoreError",
    "UsageError",
]


class SpanwatchError(Exception):
    """Any error that spanwatch raises on purpose."""


class BudgetExceeded(SpanwatchError):  # noqa: N818 (what happened, not what broke)
    """A call was refused before any byte left: it might cost more than the budget has left.

    `limit`, `spent`, `reserved` (by calls in flight) and `estimate` (the most that the call may take) are USD as
    `Decimal`, or whole tokens where it is the budget's tokens that do not suffice. `estimate` is 0 where no call was
    made yet but nothing is left, and None when the call has no price and the budget denies such calls. `spent` and
    `reserved` are None where the ledger was not asked: for such a call, and where it could not be used and the budget
    is closed then; only there `reason` is set. `resets_at` is the next time (with zone) that room comes back by itself,
    None when it never does. `scope` is empty for a budget of everything.
    """

    __module__ = "spanwatch"  # where it is imported from: tracebacks and `error.type` name it so

    def __init__(  # noqa: PLR0917 (positional, so that it pickles)
        self,
        budget: str,
        scope: str,
        limit: Decimal | int,
        spent: Decimal | int | None,
        reserved: Decimal | int | None,
        estimate: Decimal | int | None,
        resets_at: datetime | None,
        reason: str | None = None,
    ) -> None:
        super().__init__(budget, scope, limit, spent, reserved, estimate, resets_at, reason)
        self.budget = budget
        self.scope = scope
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.estimate = estimate
        self.resets_at = resets_at
        self.reason = reason

    def __str__(self) -> str:
        who = f"budget {self.budget!r} ({self.scope or 'everything'})"
        if self.reason is not None:
            return f"{who} refuses calls while its ledger cannot be used (on_store_error='closed'): {self.reason}"
        if self.estimate is None:
            return f"{who} refuses calls without a price: give the model a price, or set on_unknown of the budget"
        unit = "tokens" if isinstance(self.limit, int) else "USD"
        limit, spent, held, asked = (_plain(n) for n in (self.limit, self.spent, self.reserved, self.estimate))
        when = f"it resets at {self.resets_at.isoformat()}" if self.resets_at else "it does not reset by itself"
        scope = f" --scope {self.scope!r}" if self.scope else ""
        this = f"; this call may take {asked}" if self.estimate else ""
        return (
            f"{who}: of {limit} {unit}, {spent} are spent and {held} reserved by calls in flight{this}. "
            f"Next: {when}; ask for less with max_tokens; or give more with: "
            f"spanwatch budgets raise {self.budget!r}{scope}"
        )


def _plain(number: Decimal | int | None) -> str:
    return f"{number:f}" if isinstance(number, Decimal) else str(number)


class ConfigurationError(SpanwatchError, ValueError):
    """A setting, argument or configuration file is wrong; the text names it, its value and the remedy."""


class ExpressionError(ConfigurationError):
    """A PromQL expression is refused; the text names the place and what to write instead.

    `position` is the place as an index into the expression, None where it is the whole of it.
    """

    def __init__(self, text: str, position: int | None = None) -> None:
        super().__init__(text)
        self.position = position


class EvaluationError(SpanwatchError):
    """An expression has no value at this moment: its sides match many to many, or two results have the same labels."""


class CircuitOpen(SpanwatchError):  # noqa: N818 (what happened, not what broke)
    """What a breaker guards was not begun: the alert that it watches fires."""

    __module__ = "spanwatch"  # where it is imported from: tracebacks and `error.type` name it so

    def __init__(self, name: str, summary: str = "") -> None:
        super().__init__(name, summary)
        self.name, self.summary = name, summary

    def __str__(self) -> str:
        told = f": {self.summary}" if self.summary else ""
        return f"breaker {self.name!r} is open while its alert fires{told}"


class LedgerUnavailable(SpanwatchError):  # noqa: N818 (a state, which the budget's on_store_error answers)
    """A budget ledger cannot be reached or used within its timeout; the text names it, the cause and the remedy."""


class UsageError(SpanwatchError, ValueError):
    """A command line asks for something that cannot be done; the text says what to do next."""


class StoreError(SpanwatchError):
    """The embedded store cannot be opened or read; the text names the file and the cause."""


class PriceDataError(SpanwatchError, ValueError):
    """A price file fails its checks; the last good data stays in force."""


class StackError(SpanwatchError):
    """A program of the stack is missing, does not start or does not end."""
