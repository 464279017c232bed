"""The arithmetic that ledgers share."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.budgets import Amount, Budget, Claim, Refusal, Reserved, Tally, levels_in
from spanwatch.core.budgets.claims import MOST, Limits, admit, crossings, full, reached, shortage, threshold, total

NUMBERS = st.integers(0, 10**13)


def claim(nano=0, asked_tokens=0, **budget):
    counter = Budget(**{"name": "b", "usd": "0.0000001", **budget}).counter({}, 1_790_000_000)
    return Claim(counter, Amount(nano, asked_tokens))


def test_a_claim_fits_exactly_up_to_the_limit():
    tally = Tally(spent_nano=40, held_nano=30)
    assert admit([claim(30)], [tally]) == Reserved((Amount(30),))
    refusal = admit([claim(31)], [tally])
    assert isinstance(refusal, Refusal)
    assert (refusal.unit, refusal.limit, refusal.spent, refusal.held, refusal.estimate) == ("usd", 100, 40, 30, 31)


def test_tokens_are_a_limit_of_their_own():
    refusal = admit([claim(0, 11, tokens=10)], [Tally()])
    assert (refusal.unit, refusal.limit, refusal.estimate) == ("tokens", 10, 11)


def test_extra_from_an_operator_is_room():
    assert isinstance(admit([claim(150)], [Tally(extra_nano=50)]), Reserved)


def test_all_claims_fit_or_none_is_held():
    fits, not_ = claim(1, name="a"), claim(101, name="z")
    assert admit([fits, not_], [Tally(), Tally()]).claim == not_
    assert admit([not_, fits], [Tally(), Tally()]).claim == not_


def test_budgets_that_do_not_block_let_the_call_through_and_say_so():
    over = claim(101, mode="warn")
    assert admit([over], [Tally()]) == Reserved((Amount(101),), (over,))


def test_a_resizing_budget_gives_the_last_call_what_is_left():
    assert admit([claim(101, estimate="resize")], [Tally(spent_nano=99)]) == Reserved((Amount(1),))
    assert isinstance(admit([claim(101, estimate="resize")], [Tally(spent_nano=60, held_nano=40)]), Refusal)
    both = claim(50, 60, tokens=10, estimate="resize")
    assert admit([both], [Tally()]) == Reserved((Amount(50, 10),))
    assert isinstance(admit([both], [Tally(spent_tokens=10)]), Refusal)


def test_a_free_call_fits_even_where_nothing_is_left():
    assert admit([claim(0)], [Tally(spent_nano=101)]) == Reserved((Amount(),))


@given(spent=NUMBERS, held=NUMBERS, asked=NUMBERS, limit=st.integers(1, 10**13), resize=st.booleans())
def test_what_is_admitted_never_passes_the_limit(spent, held, asked, limit, resize):
    budget = Budget("b", Decimal(limit) / 10**9, estimate="resize" if resize else "full")
    wanted = Claim(budget.counter({}, 0), Amount(asked))
    answer = admit([wanted], [Tally(spent_nano=spent, held_nano=held)])
    if isinstance(answer, Reserved):
        assert 0 <= answer.amounts[0].nano_usd <= asked
        assert spent + held + answer.amounts[0].nano_usd <= limit or asked == 0
    else:
        assert spent + held + asked > limit
        assert shortage(wanted, Tally(spent_nano=spent, held_nano=held)) == answer


@given(limit=st.integers(1, MOST), level=st.integers(1, 10_000_000))
def test_a_threshold_is_the_least_amount_that_is_the_part_of_the_limit(limit, level):
    assert threshold(limit, level) == ceil(Fraction(limit) * level / 1_000_000)


def test_levels_are_reached_by_dollars_or_by_tokens():
    limits = Limits(100, 10, (500_000, 800_000, 1_000_000))
    assert reached(limits, Tally(spent_nano=49, spent_tokens=4)) == 0b000
    assert reached(limits, Tally(spent_nano=50)) == 0b001
    assert reached(limits, Tally(spent_tokens=8)) == 0b011
    assert reached(limits, Tally(spent_nano=100)) == 0b111
    assert reached(limits, Tally(spent_nano=100, extra_nano=100)) == 0b001


def test_a_crossing_tells_its_level_and_what_was_spent():
    counter, tally = claim(levels=(0.5, 1.0)).counter, Tally(spent_nano=50)
    (found,) = crossings(counter, 0b01, tally)
    assert (found.counter, found.level, found.spent, found.refused) == (counter, 0.5, tally, False)
    assert levels_in(0b10, (0.5, 1.0)) == (1.0,)
    assert (full(counter.limits), full(Limits(1, None, (500_000,)))) == (0b10, 0)


def test_periods_that_count_together_are_summed():
    assert total([Tally(1, 2, 3, 4, 5, 6, 7, 0b01), Tally(1, 1, 1, 1, 1, 1, 1, 0b10)]) == Tally(
        2, 3, 4, 5, 6, 7, 8, 0b11
    )
    assert total([]) == Tally()


@pytest.mark.parametrize(
    ("window", "rolling"), [("calendar day", False), ("lifetime", False), ("60s", True), ("1s", True)]
)
def test_only_of_rolling_windows_earlier_periods_count(window, rolling):
    assert Budget("b", 1, window=window).counter({}, 1_790_000_000).rolling is rolling
