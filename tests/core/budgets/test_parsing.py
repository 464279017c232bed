"""Budgets from spanwatch.toml and from the command line."""

import tomllib

import pytest

from spanwatch.core.budgets import Budget, budget_from_text, budgets_from
from spanwatch.core.errors import ConfigurationError, UsageError


def test_a_table_is_a_budget():
    text = """
        [[budgets]]
        name = "per-user"
        usd = 5.10
        per = ["user.id"]
        window = "calendar day Europe/Berlin"
        levels = [0.5, 1]
        match = { model = "gpt-*" }
        on_unknown = 0.01

        [[budgets]]
        name = "all"
        tokens = 1_000_000
        mode = "warn"
    """
    assert budgets_from(tomllib.loads(text)["budgets"]) == (
        Budget(
            "per-user",
            5.1,
            per="user.id",
            window="calendar day Europe/Berlin",
            levels=(0.5, 1),
            match={"model": "gpt-*"},
            on_unknown=0.01,
        ),
        Budget("all", tokens=1_000_000, mode="warn"),
    )


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ({"name": "b"}, r"budgets in spanwatch.toml must be tables: write \[\[budgets\]\] above each"),
        ([5], "must be tables"),
        ([{"usd": 5}], r"\[\[budgets\]\] number 1 in spanwatch.toml has no name"),
        ([{"name": "a", "usd": 5}, {"name": "b", "uds": 5}], "unknown key 'uds' in .* number 2 .*did you mean 'usd'"),
        ([{"name": "b", "usd": -5}], r"\[\[budgets\]\] number 1 in spanwatch.toml: budget 'b': usd must be from"),
        ([{"name": "b", "usd": 5}, {"name": "b", "usd": 6}], "spanwatch.toml: two budgets are named 'b'"),
        ([{"name": "b", "usd": 5, "limits": 1}], "unknown key 'limits'"),
    ],
)
def test_a_wrong_table_is_named_by_place_and_key(tables, text):
    with pytest.raises(ConfigurationError, match=text):
        budgets_from(tables)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("5", Budget("run", 5, window="lifetime")),
        ("$5.50", Budget("run", "5.50", window="lifetime")),
        ("5/1d", Budget("run", "5", window="1d")),
        ("5 / day", Budget("run", "5", window="day")),
        ("ci=0.25/calendar month Europe/Berlin", Budget("ci", "0.25", window="calendar month Europe/Berlin")),
        ("100_000 tokens/hour", Budget("run", tokens=100_000, window="hour")),
        ("1000tokens", Budget("run", tokens=1_000, window="lifetime")),
    ],
)
def test_a_budget_in_a_word_is_one_of_everything(text, budget):
    found = budget_from_text(text)
    assert (found.name, found.limits, found.period, found.per) == (budget.name, budget.limits, budget.period, ())


@pytest.mark.parametrize("text", ["", "five", "-5", "5/", "5/never", "0", "1.5 tokens", "5 euros", "5.5.5"])
def test_a_word_that_is_no_budget_is_refused_with_what_can_be_given(text):
    with pytest.raises(UsageError, match="give dollars, such as '5', dollars a window, '5/day' or '5/3600s'"):
        budget_from_text(text)
