"""The rule file for Prometheus is what the shipped rules give today, and says what is evaluated in process."""

from pathlib import Path

import pytest
import yaml

from spanwatch.cli.main import main
from spanwatch.core.promql import load
from spanwatch.core.rules import Rule, making
from spanwatch.core.rules.defaults import defaults
from spanwatch.core.rules.files import Recording, alerting, rules_in
from spanwatch.core.rules.unit_tests import run
from spanwatch.generate.prometheus_rules import RULES, TESTS, files, rule_file

DIRECTORY = Path(__file__).resolve().parents[2] / "collector-config" / "prometheus" / "rules"


@pytest.mark.parametrize("name", [RULES, TESTS])
def test_the_files_on_disk_are_what_the_rules_give_today(name):
    assert (DIRECTORY / name).read_text(encoding="utf-8") == files()[name], "run: spanwatch generate prometheus-rules"


def test_what_is_read_back_is_the_same_rule():
    in_file = rules_in(yaml.safe_load(files()[RULES]), RULES)
    recorded = {each.name: f"{each.expr.text}" for each in in_file if isinstance(each, Recording)}
    found = {each.rule.name: each.rule for each in alerting(in_file)}
    for rule in defaults():
        read, expr = found[rule.name], str(found[rule.name].expr)
        for name, text in recorded.items():
            expr = expr.replace(name, text)
        assert load(expr).root == load(str(rule.expr)).root
        assert (read.for_s, read.severity, read.summary) == (rule.for_s, rule.severity, rule.summary)


def test_every_shipped_rule_fires_when_it_should_and_not_otherwise():
    texts = {name: yaml.safe_load(text) for name, text in files().items()}
    assert len(texts[TESTS]["tests"]) == 2 * len(defaults())
    assert run(texts[TESTS], rules_in(texts[RULES], RULES)) == []


def test_a_wrong_expectation_is_noticed():
    texts = {name: yaml.safe_load(text) for name, text in files().items()}
    texts[TESTS]["tests"][0]["alert_rule_test"][0]["exp_alerts"] = []
    assert "HighErrorRate" in run(texts[TESTS], rules_in(texts[RULES], RULES))[0].text


def test_what_has_no_promql_is_named_and_texts_are_quoted():
    hostile = 'it\'s "bad": {{ $value }}\n- alert: x'
    rules = [making.spend(5, by="user"), Rule("Odd name", "absent(x)", summary=hostile, no_data="alert", for_="90s")]
    text = rule_file(rules)
    assert "# In process only: SpendByUser." in text
    first, second = yaml.safe_load(text)["groups"][0]["rules"]
    assert (first["annotations"]["summary"], first["for"]) == (hostile, "1m30s")
    assert (second["alert"], second["expr"]) == ("Odd nameNoData", "absent(x{})")


def test_the_verb_writes_what_is_configured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "prometheus-rules", "--out", "out"]) == 0
    assert (tmp_path / "out" / RULES).read_text() == files()[RULES]
    (tmp_path / "spanwatch.toml").write_text('[[rules]]\nname = "Mine"\nexpr = "x > 1"\n')
    assert main(["generate", "prometheus-rules", "--out", "mine"]) == 0
    assert "Mine" in (tmp_path / "mine" / RULES).read_text()
