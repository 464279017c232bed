"""What several rules compute is recorded once, and the alerts that read it mean what they meant."""

import pytest
import yaml

from spanwatch.core.promql import load
from spanwatch.core.rules import Rule, making
from spanwatch.core.rules.files import Recording, rules_in
from spanwatch.core.rules.unit_tests import run
from spanwatch.generate.prometheus_rules import files, rule_file
from spanwatch.generate.recording import shared

BURNS = making.burn_rate(0.99, by="agent")
RATIO = "gen_ai_agent_name:spanwatch_request_duration_seconds_count:ratio_rate6h"
COUNT = "spanwatch_request_duration_seconds_count"


def told(*texts):
    found = shared([load(text) for text in texts])
    return {each.name: each.expr for each in found.records}, [found.rewritten.get(text, text) for text in texts]


def test_a_part_of_two_rules_is_recorded_before_them():
    rules = rules_in(yaml.safe_load(rule_file(BURNS)), "burns")
    (record,) = [each for each in rules if isinstance(each, Recording)]
    assert rules[0] is record
    assert record.name == RATIO
    assert [str(each.rule.expr).count(RATIO) for each in rules[1:]] == [0, 1, 1]


def test_the_shipped_file_computes_each_budget_once():
    text = files()["spanwatch.yaml"]
    assert text.count("max by (spanwatch_budget_name") == 1
    assert text.count("spanwatch_budget_name_spanwatch_budget_scope:spanwatch_budget_utilization_ratio:max") == 3


@pytest.mark.parametrize("agent", ["failing", "well", "gone"])
def test_alerts_on_recorded_series_are_those_of_the_whole_expression(agent):
    series = {"failing": ("0+7x600", "0+3x600"), "well": ("0+999x600", "0+1x600"), "gone": ("0+7x100", "0+3x100")}
    ok, error = series[agent]
    test = {
        "interval": "1m",
        "input_series": [
            {
                "series": f'{COUNT}{{job="bot",gen_ai_agent_name="{agent}",spanwatch_outcome="{outcome}"}}',
                "values": values,
            }
            for outcome, values in (("ok", ok), ("error", error))
        ],
    }
    whole = yaml.safe_load(rule_file(BURNS[1:2]))
    both = yaml.safe_load(rule_file(BURNS))
    assert "record" not in whole["groups"][0]["rules"][0]
    answers = []
    for content in (whole, both):
        asked = {
            "tests": [
                {
                    **test,
                    "alert_rule_test": [
                        {"eval_time": f"{minutes}m", "alertname": BURNS[1].name} for minutes in (30, 300, 590)
                    ],
                }
            ]
        }
        answers.append([failure.text for failure in run(asked, rules_in(content, "rules"))])
    assert answers[0] == answers[1]
    assert len(answers[0]) == {"failing": 3, "well": 0, "gone": 1}[agent]


def test_only_what_makes_few_series_of_many_is_recorded():
    assert told("rate(x[5m]) > 1", "rate(x[5m]) > 2") == ({}, ["rate(x[5m]) > 1", "rate(x[5m]) > 2"])
    assert told("vector(1) > 0", "vector(1) > 0")[0] == {}
    assert told("sum(x) > 1", "sum(y) > 1")[0] == {}


def test_the_largest_part_is_chosen_and_verdicts_are_left_to_the_alerts():
    records, (first, second) = told("sum(x) / sum(y) > 1", "topk(3, sum(x) / sum(y)) > 2")
    assert list(records) == ["all:x:ratio"]
    assert (first, second) == ("all:x:ratio > 1", "topk(3, all:x:ratio) > 2")


def test_names_are_no_ones_else_and_no_two_parts_share_one():
    records, _ = told('sum(x{a="1"}) + sum(x{a="2"}) > 1', 'sum(x{a="1"}) < 1', 'sum(x{a="2"}) < 1')
    assert list(records) == ["all:x:sum", "all:x:sum_2"]
    records, _ = told("sum(x) > 1", "sum(x) < 1", "all:x:sum > 5")
    assert list(records) == ["all:x:sum_2"]


def test_percentiles_are_recorded_without_the_label_of_their_buckets():
    rules = [making.latency(95, "5s", by="agent"), making.latency(95, "9s", by="agent", name="VerySlow")]
    (record,) = shared([rule.loaded for rule in rules]).records
    assert record.name == "gen_ai_agent_name:spanwatch_request_duration_seconds_bucket:histogram_quantile_rate5m"


def test_text_that_looks_like_a_part_is_left_alone():
    _, (first, second, third) = told("sum(x) > 1", "sum(x) < 1", 'y{z="sum(x{})"} + on() sum(x) > 1')
    assert (first, second) == ("all:x:sum > 1", "all:x:sum < 1")
    assert third == 'y{z="sum(x{})"} + on() sum(x) > 1'


def test_an_expression_that_asks_for_names_keeps_its_words():
    texts = ("sum(x) > 1", "sum(x) > 1 and on(__name__) y", "sum(x) > 2")
    assert told(*texts)[1][1] == texts[1]


def test_a_rule_without_promql_changes_nothing():
    assert "record" not in rule_file([making.spend(5, by="user"), Rule("One", "sum(x) > 1")])
