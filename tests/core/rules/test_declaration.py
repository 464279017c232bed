"""What a rule may be, how one is made, and how a file declares it."""

import inspect
import tomllib
from datetime import timedelta

import pytest

from spanwatch import rules
from spanwatch.core import names
from spanwatch.core.budgets import Budget
from spanwatch.core.errors import ConfigurationError, ExpressionError
from spanwatch.core.promql import load
from spanwatch.core.promql.load import selectors
from spanwatch.core.rules import Rule, distinct, making, rules_from
from spanwatch.core.rules.defaults import defaults

GOOD = {"name": "A", "expr": "up == 0"}


def test_a_rule_is_loaded_as_it_is_declared():
    rule = Rule("Slow", "rate(x[5m]) > 1", for_="2m", keep_firing_for="30s", labels={"team": "search"})
    assert (rule.for_s, rule.keep_s, rule.loaded.window_ms, rule.portable) == (120.0, 30.0, 300_000, True)
    assert hash(rule) == hash(Rule("Slow", "rate(x[5m]) > 1", for_="2m", keep_firing_for="30s"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"expr": None}, "give one of expr, when, check and budget"),
        ({"when": lambda call: True}, "expr and when"),
        ({"severity": "page"}, "info, warning, critical"),
        ({"no_data": "fire"}, "no_data"),
        ({"for_": "soon"}, "for_: 'soon' is no length of time"),
        ({"keep_firing_for": [5]}, "keep_firing_for: [5] is no length of time"),
        ({"for_": "4d"}, "for_ is 3d at most"),
        ({"summary": "{{ .Labels.x }}"}, "is no place"),
        ({"summary": "{{ $value | shout }}"}, "no function here"),
        ({"summary": "{{ $value"}, "never closed"),
        ({"labels": {"severity": "x"}}, "cannot be a label"),
        ({"labels": {"a-b": "x"}}, "cannot be a label"),
        ({"runbook_url": "javascript:alert(1)"}, "http or https"),
        ({"expr": "rate(x[4d])"}, "samples are kept for 3d"),
        ({"expr": None, "budget": Budget("b", 5)}, "blocks calls"),
    ],
)
def test_what_cannot_be_is_refused_with_the_rules_name(more, words):
    with pytest.raises(ConfigurationError, match="rule 'A'") as refused:
        Rule(**{**GOOD, **more})
    assert words in str(refused.value)


def test_an_expressions_place_is_told_with_the_rules_name():
    with pytest.raises(ConfigurationError, match="rule 'A': column 5"):
        Rule("A", "x + / y")
    assert issubclass(ExpressionError, ConfigurationError)


def test_arguments_of_a_wrong_type_are_type_errors():
    for more in ({"when": 5, "expr": None}, {"on_fire": "x"}, {"summary": 5}, {"labels": []}):
        with pytest.raises(TypeError, match="rule 'A'"):
            Rule(**{**GOOD, **more})
    with pytest.raises(TypeError):
        Rule(5)


def test_names_are_what_alerts_are_known_by():
    with pytest.raises(ConfigurationError, match="two warning rules are named 'A'"):
        distinct([Rule(**GOOD), Rule(**GOOD)])
    with pytest.raises(ConfigurationError, match="inhibits 'B'"):
        distinct([Rule(**GOOD, inhibits=("B",))])
    with pytest.raises(TypeError, match="must be Rule"):
        distinct(["up == 0"])


def test_one_rule_that_is_inhibited_may_be_named_alone():
    assert Rule(**GOOD, inhibits="HighErrorRate").inhibits == ("HighErrorRate",)


def test_no_time_at_all_is_written_in_any_way():
    assert [Rule(**GOOD, for_=length).for_s for length in (0, "0", "0s", timedelta())] == [0.0] * 4


def made():
    return [
        *defaults(),
        *making.burn_rate(0.999, of="calls", by="model"),
        making.error_rate(0.2, "10m", by=["agent", "request"]),
        making.latency(99, "90s", by="agent"),
        making.latency(50, 1, of="calls", by="model"),
        making.spend(5, "1h", by=("agent", "model")),
        making.budget("daily", 0.8),
        making.unpriced_share(0.1, by="model"),
        making.feedback(2.5, "3d", by="version"),
    ]


@pytest.mark.parametrize("rule", made(), ids=lambda rule: f"{rule.name}: {rule.expr}")
def test_what_is_made_names_metrics_and_labels_of_the_registry(rule):
    known = {
        making.series(metric, part): metric for metric in names.METRICS for part in ("", "_bucket", "_sum", "_count")
    }
    for selector in selectors(load(rule.expr).root):
        labels = {making.label_name(each) for each in known[selector.name].attributes} | {"job", "le"}
        assert {each.name for each in selector.matchers} <= labels
    assert rule.summary


def test_shipped_rules_are_the_classic_three_and_more():
    found = {rule.name: rule for rule in distinct(defaults(usd_per_day=20))}
    assert found["HighErrorRate"].severity == "critical"
    assert found["HighErrorRate"].expr.endswith("> 0.1")
    assert found["SlowResponses"].severity == "warning"
    assert found["SlowResponses"].expr.endswith("> 5")
    assert found["SpendIsHigh"].expr == "sum (increase(spanwatch_cost_usd_total[1d])) > 20"
    assert {"BudgetIsSpent", "BudgetIsNearlySpent", "LowRatings", "CostIsUnknown", "TelemetryIsLost"} <= found.keys()


@pytest.mark.parametrize("name", [name for name in rules.__all__ if inspect.isfunction(getattr(rules, name))])
def test_a_file_can_name_every_maker(name):
    assert rules_from([{name: {}}]) == distinct(made if isinstance(made := getattr(rules, name)(), tuple) else [made])


def test_what_no_metric_has_is_asked_of_the_ledger():
    rule = making.spend(5, "calendar month", by="user")
    assert (rule.portable, rule.budget.scopes, rule.budget.mode) == (False, ("user.id",), "observe")
    with pytest.raises(ConfigurationError, match="on no metric"):
        making.error_rate(by="user")
    with pytest.raises(ConfigurationError, match="has no attribute 'model'"):
        making.latency(by="model")


@pytest.mark.parametrize(
    "make",
    [
        lambda: making.error_rate(above=10),
        lambda: making.latency(100),
        lambda: making.latency(0.95),
        lambda: making.spend(0),
        lambda: making.spend("lots"),
        lambda: making.spend(float("nan")),
        lambda: making.spend(float("inf")),
        lambda: making.feedback(9),
        lambda: making.burn_rate(1),
        lambda: making.error_rate(of="spans"),
        lambda: making.spend(5, "5d"),
    ],
)
def test_makers_refuse_numbers_that_cannot_be(make):
    with pytest.raises(ConfigurationError):
        make()


FILE = """
[[rules]]
name = "Expensive"
expr = "sum(increase(spanwatch_cost_usd_total[1h])) > 5"
for = "2m"
severity = "critical"
[rules.labels]
team = "search"

[[rules]]
error_rate = {above = 0.2, window = "10m"}
severity = "warning"

[[rules]]
burn_rate = {objective = 0.99}
"""


def test_a_file_declares_rules_by_expression_and_by_maker():
    found = rules_from(tomllib.loads(FILE)["rules"])
    assert [rule.name for rule in found[:2]] == ["Expensive", "HighErrorRate"]
    assert (found[0].for_s, found[0].labels, found[1].severity) == (120.0, {"team": "search"}, "warning")
    assert len(found) == 5
    assert rules_from("default") == defaults()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('rules = "all"', "must be tables"),
        ("[[rules]]\nexpr = 'x'", "number 1 in spanwatch.toml: it has no name"),
        ("[[rules]]\nname = 'A'\nexp = 'x'", "did you mean 'expr'?"),
        ("[[rules]]\nerror_rate = 0.1", "one maker with its arguments"),
        ("[[rules]]\nerror_rate = {over = 0.1}", "number 1"),
        (
            "[[rules]]\nspend = {above_usd = 'lots'}",
            "above_usd is a number of US dollars above 0, such as 50, not 'lots'",
        ),
        ("[[rules]]\nbudget = {at = 11}", "at is a part of 1, from 0 to 10, such as 0.1 for 10 %, not 11"),
        ("[[rules]]\nname = 'A'\nexpr = 'x +'", "column 3"),
        ("[[rules]]\nname = 'A'\nwhen = 'x'", "unknown key 'when'"),
    ],
)
def test_a_wrong_table_is_told_with_its_number(text, words):
    with pytest.raises(ConfigurationError) as refused:
        rules_from(tomllib.loads(text)["rules"])
    assert words in str(refused.value)
