"""BudgetExceeded: names what happened and what to do next."""

import pickle
from datetime import UTC, datetime
from decimal import Decimal

import spanwatch
from spanwatch.core import names
from spanwatch.core.budgets import Amount, Budget, Claim, Counter, Tally, exceeded, unpriced, unreachable
from spanwatch.core.budgets.claims import Limits, admit
from spanwatch.core.errors import BudgetExceeded, LedgerUnavailable

NOON = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp())
USER = {names.USER_ID: "u-1"}


def refusal(budget, amount, tally, attributes=USER):
    return exceeded(admit([Claim(budget.counter(attributes, NOON), amount)], [tally]))


def test_a_refusal_in_dollars_carries_every_number_and_says_what_next():
    budget = Budget("per-user", 5, per="user.id")
    error = refusal(budget, Amount(30_000_000), Tally(spent_nano=4_980_000_000, held_nano=10_000_000))
    assert isinstance(error, spanwatch.SpanwatchError)
    assert (error.budget, error.scope) == ("per-user", "user.id=u-1")
    numbers = (error.limit, error.spent, error.reserved, error.estimate)
    assert numbers == (Decimal(5), Decimal("4.98"), Decimal("0.01"), Decimal("0.03"))
    assert error.resets_at == datetime(2026, 11, 26, tzinfo=UTC)
    assert str(error) == (
        "budget 'per-user' (user.id=u-1): of 5 USD, 4.98 are spent and 0.01 reserved by calls in flight; this call may "
        "take 0.03. Next: it resets at 2026-11-26T00:00:00+00:00; ask for less with max_tokens; or give more with: "
        "spanwatch budgets raise 'per-user' --scope 'user.id=u-1'"
    )


def test_a_refusal_in_tokens_speaks_of_tokens():
    error = refusal(Budget("all", tokens=1_000, window="lifetime"), Amount(0, 11), Tally(spent_tokens=990))
    assert (error.limit, error.spent, error.reserved, error.estimate, error.resets_at) == (1_000, 990, 0, 11, None)
    assert type(error.limit) is int
    assert str(error) == (
        "budget 'all' (everything): of 1000 tokens, 990 are spent and 0 reserved by calls in flight; this call may "
        "take 11. Next: it does not reset by itself; ask for less with max_tokens; or give more with: "
        "spanwatch budgets raise 'all'"
    )


def test_a_call_without_a_price_is_refused_with_its_own_words():
    error = unpriced(Budget("b", 5, on_unknown="deny").counter({}, NOON))
    assert (error.limit, error.spent, error.reserved, error.estimate) == (5, None, None, None)
    assert str(error) == (
        "budget 'b' (everything) refuses calls without a price: give the model a price, or set on_unknown of the budget"
    )


def test_amounts_are_never_written_in_scientific_notation():
    error = refusal(Budget("b", "0.00000002"), Amount(30), Tally(spent_nano=1))
    assert "of 0.00000002 USD, 0.000000001 are spent" in str(error)


def test_the_error_survives_the_way_between_processes():
    error = refusal(Budget("b", 5), Amount(6_000_000_000), Tally())
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.limit, again.resets_at) == (str(error), error.limit, error.resets_at)


def test_a_ledger_that_is_away_and_an_account_that_is_empty_have_texts_of_their_own():
    counter = Counter("b", "user.id=u-1", 0, 0, 86_400, Limits(5 * 10**9, None))
    closed = unreachable(counter, LedgerUnavailable("the ledger is away; try again"))
    assert (closed.limit, closed.spent, closed.reserved, closed.estimate) == (5, None, None, None)
    assert str(closed) == (
        "budget 'b' (user.id=u-1) refuses calls while its ledger cannot be used (on_store_error='closed'): the ledger "
        "is away; try again"
    )
    empty = BudgetExceeded("b", "", Decimal(5), Decimal(5), Decimal(0), Decimal(0), None)
    assert "this call" not in str(empty)
    assert type(empty).__module__ == "spanwatch"
