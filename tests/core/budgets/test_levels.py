"""Levels as they are told, and guesses of calls that were left."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.budgets import Asked, Budget, Counter, Crossing, Estimate, Tally, guess, level_of
from spanwatch.core.budgets.claims import Limits


def crossing(limits, **tally):
    return Crossing(Counter("b", "user.id=u-1", 0, 0, 86_400, limits), 0.8, Tally(**tally))


def test_a_level_in_dollars_counts_what_operators_gave():
    level = level_of(crossing(Limits(2 * 10**9, 100), spent_nano=2_500_000_000, extra_nano=10**9))
    assert (level.budget, level.scope, level.level) == ("b", "user.id=u-1", 0.8)
    assert (level.limit, level.spent, level.remaining) == (3, Decimal("2.5"), Decimal("0.5"))
    assert level.resets_at == datetime(1970, 1, 2, tzinfo=UTC)
    assert (level.refused, level.resolved) == (False, False)


def test_a_level_of_a_budget_of_tokens_alone_is_in_tokens():
    level = level_of(crossing(Limits(None, 100), spent_nano=7, spent_tokens=80), resolved=True)
    assert (level.limit, level.spent, level.remaining, level.resolved) == (100, 80, 20, True)


def test_on_level_has_to_be_callable():
    with pytest.raises(TypeError, match="budget 'b': on_level must be a callable that takes a Level"):
        Budget("b", usd=1, on_level="log")
    assert Budget("b", usd=1, on_level=print).on_level is print


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**4), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_a_guess_never_passes_the_bound(sent, received, chunks, given_bound, made_bound):
    usage = guess(Asked(input_bytes=sent), Estimate(given_bound, made_bound, None), received, chunks)
    assert usage.input_tokens == min(given_bound, -(-sent // 3))
    assert usage.output_tokens == min(made_bound, max(chunks, -(-received // 3)))


def test_a_guess_without_the_text_is_the_bound():
    assert guess(Asked(), Estimate(70, 9, None), 0, 2).input_tokens == 70
