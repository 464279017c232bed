"""Budget: what may be declared, and the accounts of a call."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spanwatch
from spanwatch.core import names
from spanwatch.core.budgets import Amount, Asked, Budget, Estimate, distinct
from spanwatch.core.budgets.claims import Limits
from spanwatch.core.budgets.windows import Period

NOON = 1_790_000_000
ESTIMATE = Estimate(100, 50, 2_000)
NO_PRICE = Estimate(100, 50, None)


def test_a_budget_is_public_and_has_the_stated_defaults():
    budget = spanwatch.Budget("team", 100)
    assert budget.limits == Limits(100_000_000_000, None, (800_000, 1_000_000), blocking=True, resize=False)
    assert (budget.per, budget.window, budget.levels, budget.mode) == ((), "calendar day", (0.8, 1.0), "block")
    assert (budget.match, budget.on_unknown, budget.on_store_error, budget.estimate) == ({}, "allow", "open", "full")


@pytest.mark.parametrize("usd", [5, 5.0, "5", Decimal("5.00"), "5e0"])
def test_dollars_are_exact_however_they_are_written(usd):
    assert Budget("b", usd).limits.nano_usd == 5_000_000_000


def test_a_float_is_the_decimal_that_it_shows():
    assert Budget("b", 0.1).limits.nano_usd == 100_000_000


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"usd": None}, ValueError, "budget 'b': give a limit: usd=5, tokens=100_000, or both"),
        ({"usd": 0}, ValueError, "usd must be from 0.000000001 to 9007199.254740991 US dollars, not 0"),
        ({"usd": -1}, ValueError, "usd must be from"),
        ({"usd": 10_000_000}, ValueError, "to 9007199.254740991 US dollars, not 10000000"),
        ({"usd": "five"}, ValueError, "usd must be a number of US dollars, not 'five'"),
        ({"usd": float("nan")}, ValueError, "usd must be a number of US dollars"),
        ({"usd": True}, TypeError, "usd must be a number of US dollars, not True"),
        ({"tokens": 1.5}, TypeError, "tokens must be a whole number, not 1.5"),
        ({"tokens": 0}, ValueError, "tokens must be from 1"),
        ({"per": "usr.id"}, ValueError, "unknown attribute 'usr.id'; did you mean 'user.id'"),
        ({"per": ("user", "user.id")}, ValueError, "per names an attribute twice"),
        ({"per": 5}, TypeError, "per must be the name of an attribute or several, such as 'user', not 5"),
        ({"per": (5,)}, TypeError, "an attribute's name must be text, not int"),
        ({"window": "2 fortnights"}, ValueError, "window cannot be"),
        ({"levels": (80,)}, ValueError, r"above 0 and at most 10 \(0.8 is 80 %\), not 80"),
        ({"levels": "0.8"}, TypeError, "levels must be parts of the limit"),
        ({"levels": ("0.8",)}, TypeError, "levels must be numbers, not '0.8'"),
        ({"levels": [n / 100 for n in range(1, 18)]}, ValueError, "at most 16 levels, not 17"),
        ({"mode": "soft"}, ValueError, "mode must be one of 'block', 'warn', 'observe', not 'soft'"),
        ({"match": "gpt-*"}, TypeError, "match must map attributes to patterns"),
        ({"match": {"model": 4}}, TypeError, r"match\['model'\] must be a pattern or several, not 4"),
        ({"match": {"model": []}}, TypeError, r"match\['model'\] must be a pattern or several"),
        ({"on_unknown": "ask"}, ValueError, "on_unknown must be one of 'allow', 'deny' or the USD to charge"),
        ({"on_unknown": -1}, ValueError, "on_unknown must be from 0 to"),
        ({"on_store_error": "retry"}, ValueError, "on_store_error must be one of 'open', 'closed'"),
        ({"estimate": "half"}, ValueError, "estimate must be one of 'full', 'resize' or a callable"),
    ],
)
def test_a_wrong_argument_is_refused_at_the_call_with_its_name_and_value(arguments, error, text):
    with pytest.raises(error, match=text):
        Budget("b", **{"usd": 5, **arguments})


@pytest.mark.parametrize(
    ("name", "error"), [("", ValueError), ("a\nb", ValueError), ("x" * 101, ValueError), (5, TypeError)]
)
def test_a_name_that_cannot_be_is_refused(name, error):
    with pytest.raises(error, match="a budget's name must be"):
        Budget(name, 5)


def test_levels_are_sorted_and_none_is_twice():
    assert Budget("b", 5, levels=[1, 0.5, 1.0]).levels == (0.5, 1.0)


def test_a_budget_is_a_value():
    assert Budget("b", 5, per=["user"], match={"model": "gpt-*"}) == Budget(
        "b", 5, per="user.id", match={"model": "gpt-*"}
    )
    assert len({Budget("b", 5), Budget("b", 5), Budget("b", 6)}) == 2


def test_a_counter_names_budget_scope_and_window():
    counter = Budget("b", 5, per=("user", "tags.team")).counter({names.USER_ID: "u-1", "tags.team": "search"}, NOON)
    assert (counter.budget, counter.scope) == ("b", "user.id=u-1,tags.team=search")
    assert counter.start == counter.since == NOON - NOON % 86_400
    assert counter.end == counter.start + 86_400
    assert counter.rolling is False


def test_a_budget_has_no_counter_for_calls_that_do_not_match():
    budget = Budget("b", 5, match={"model": ["gpt-5*", "o3"], "tags.env": "prod"})
    fits = {names.REQUEST_MODEL: "gpt-5-mini", "tags.env": "prod"}
    assert budget.counter(fits, NOON) is not None
    assert budget.counter({**fits, names.REQUEST_MODEL: "gpt-4o"}, NOON) is None
    assert budget.counter({names.REQUEST_MODEL: "o3"}, NOON) is None


def test_a_known_period_is_taken_again_only_while_it_lasts():
    budget = Budget("b", 5)
    known = Period(NOON, NOON + 10, NOON, NOON + 10)
    assert budget.counter({}, NOON + 9, known).start == NOON
    assert budget.counter({}, NOON + 10, known).start != NOON
    assert budget.counter({}, NOON - 1, known).start != NOON


def test_what_is_claimed_follows_the_policy_for_calls_without_a_price():
    assert Budget("b", 5).claimed(Asked(), ESTIMATE) == Amount(2_000, 150, 0)
    assert Budget("b", 5).claimed(Asked(), NO_PRICE) == Amount(0, 150, 1)
    assert Budget("b", 5, on_unknown=0.01).claimed(Asked(), NO_PRICE) == Amount(10_000_000, 150, 1)
    assert Budget("b", 5, on_unknown="deny").claimed(Asked(), NO_PRICE) is None
    assert Budget("b", tokens=5, on_unknown="deny").claimed(Asked(), NO_PRICE) == Amount(0, 150, 0)


def test_an_estimate_of_ones_own_decides():
    budget = Budget("b", 5, estimate=lambda asked, most: Amount(most.nano_usd // 2, asked.input_bytes))
    assert budget.claimed(Asked(input_bytes=7), ESTIMATE) == Amount(1_000, 7)


def test_what_is_charged_is_never_zero_for_unknown_without_saying_so():
    assert Budget("b", 5).charged(0, 10) == Amount(0, 10, 0)
    assert Budget("b", 5).charged(None, 10) == Amount(0, 10, 1)
    assert Budget("b", 5, on_unknown=Decimal("0.5")).charged(None, 10) == Amount(500_000_000, 10, 1)


def test_two_budgets_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two budgets are named 'b'"):
        distinct([Budget("b", 5), Budget("b", 6)])
    with pytest.raises(TypeError, match=r"budgets must be Budget\(...\), not 5"):
        distinct([5])


@given(nano=st.integers(1, 2**53 - 1))
def test_every_nano_dollar_survives_the_declaration(nano):
    assert Budget("b", Decimal(nano) / 10**9).limits.nano_usd == nano
