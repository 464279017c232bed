"""`spanwatch rules` and `spanwatch alerts`, as people run them."""

import json
import shutil
from pathlib import Path

import pytest

from spanwatch.cli.main import main
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.rules import Rule
from spanwatch.core.rules.unit_tests import values_of
from tests.otel.alerts.rig import Clock, Process

ROOT = Path(__file__).resolve().parents[2]
RULES = """
groups:
  - name: one
    interval: 1m
    rules:
      - record: job:errors:ratio
        expr: sum by (job) (errors) / sum by (job) (calls)
      - alert: ManyErrors
        expr: job:errors:ratio > 0.5
        for: 1m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.job }} fails {{ $value | humanizePercentage }}"}
"""
TESTS = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - name: errors
    interval: 1m
    input_series:
      - {series: 'errors{job="a"}', values: '0 6x5 _ stale'}
      - {series: 'calls{job="a"}', values: '10x8'}
    alert_rule_test:
      - {eval_time: 1m, alertname: ManyErrors, exp_alerts: []}
      - eval_time: 3m
        alertname: ManyErrors
        exp_alerts:
          - exp_labels: {job: a, severity: critical}
            exp_annotations: {summary: "a fails SHARE"}
    promql_expr_test:
      - {expr: 'job:errors:ratio', eval_time: 2m, exp_samples: [{labels: 'job:errors:ratio{job="a"}', value: 0.6}]}
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "good.yaml").write_text(TESTS.replace("SHARE", "60%"))
    (tmp_path / "bad.yaml").write_text(TESTS.replace("SHARE", "70%"))
    return tmp_path


@pytest.fixture
def at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPANWATCH_HOME", raising=False)
    return tmp_path


def test_unit_tests_in_promtools_format_pass_and_fail(files, capsys):
    assert main(["rules", "test", str(files / "good.yaml")]) == 0
    assert "1 tests of 1 alerting rules: passed" in capsys.readouterr().out
    assert main(["rules", "test", str(files / "bad.yaml")]) == 1
    assert "a fails 70%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("was", "wrong", "words"),
    [
        ("value: 0.6}", "labels_: 1}", "test 'errors': each of exp_samples has a value, a number, not None"),
        ('job:errors:ratio{job="a"}', "a + b", "test 'errors': 'a + b' is no series"),
        ("exp_alerts: []", "exp_alerts: none", "test 'errors': exp_alerts must be a list of tables, not 'none'"),
        ("{job: a, severity: critical}", "[job]", "test 'errors': exp_labels must be a table of names and texts"),
        ("10x8", "1.0.0x8", "test 'errors': '1.0.0' is no number"),
        ("eval_time: 3m", "eval_time: later", "test 'errors': eval_time: 'later' is no length of time"),
    ],
)
def test_what_is_wrong_in_a_file_of_unit_tests_is_told_with_the_test(files, capsys, was, wrong, words):
    text = TESTS.replace("SHARE", "60%")
    assert was in text
    (files / "wrong.yaml").write_text(text.replace(was, wrong, 1))
    assert main(["rules", "test", str(files / "wrong.yaml")]) == 2
    assert words in capsys.readouterr().err


def test_the_rules_that_the_stack_ships_pass_their_unit_tests(capsys):
    assert main(["rules", "test", str(ROOT / "tests" / "stack" / "rules_test.yaml")]) == 0


def test_rule_files_are_checked(files, capsys):
    assert main(["rules", "check", str(files / "rules.yaml")]) == 0
    assert "1 alerting and 1 recording rules can be used" in capsys.readouterr().out
    (files / "wrong.yaml").write_text(RULES.replace("sum by (job) (calls)", "count_values('a', calls)"))
    assert main(["rules", "check", str(files / "wrong.yaml")]) == 2
    assert "group 'one', rule 1: column 25" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("groups: 5", "no list of groups"),
        ("a: [", "no YAML"),
        ("!!python/object/apply:os.system ['true']", "no YAML"),
        ("groups: [{name: a, rules: [{expr: x}]}]", "neither alert nor record"),
        ("groups: [{name: a, rules: [{alert: A, expr: x, forr: 5m}]}]", "'forr' is unknown"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path, capsys, text, words):
    (tmp_path / "x.yaml").write_text(text)
    assert main(["rules", "check", str(tmp_path / "x.yaml")]) == 2
    assert words in capsys.readouterr().err


def test_the_rules_in_force_are_listed(at, capsys):
    assert main(["rules"]) == 0
    assert "rules = 'default'" in capsys.readouterr().out
    (at / "spanwatch.toml").write_text('rules = "default"\n')
    assert main(["rules", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"HighErrorRate", "SpendIsHigh"} <= {rule["name"] for rule in found}
    for words in (["rules", "--json"], ["rules", "--json", "list"]):
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out) == found
    assert main(["rules"]) == 0
    assert "HighErrorRate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 2 _ stale", [1, 2, "_", "stale"]),
        ("0+10x3", [0, 10, 20, 30]),
        ("5x2", [5, 5, 5]),
        ("1-2x2 _x2", [1, -1, -3, "_", "_"]),
        ("-1e2 Inf", [-100, float("inf")]),
    ],
)
def test_values_are_written_in_promtools_notation(text, values):
    assert list(values_of(text)) == values


def test_values_that_are_none_are_refused():
    for text in ("x", "1+x3", "1x9999999"):
        with pytest.raises(ConfigurationError):
            list(values_of(text))


@pytest.fixture
def home(at):
    process = Process(
        [Rule("High", "level > 5", severity="critical", summary="it is {{ $value }}")],
        home=at / ".spanwatch",
        clock=Clock(),
    )
    process.set(9, queue="q\x1b[31m1")
    process.evaluate()
    process.evaluator.book.close()
    return at


def test_alerts_are_shown_as_text_and_json_and_exit_code(home, capsys):
    assert main(["alerts"]) == 0
    out = capsys.readouterr().out
    assert "High" in out
    assert "it is 9" in out
    assert "\x1b" not in out
    assert main(["alerts", "--json", "--check"]) == 1
    (alert,) = json.loads(capsys.readouterr().out)
    assert (alert["name"], alert["value"], alert["state"]) == ("High", 9.0, "firing")
    assert main(["alerts", "--severity", "info", "--check"]) == 0


def test_alerts_are_silenced_and_loud_again(home, capsys):
    assert main(["alerts", "silence", "High", "queue=~q.*", "--for", "2h", "--comment", "known"]) == 0
    silence = capsys.readouterr().out.split()[1]
    assert main(["alerts", "--check"]) == 0
    assert "silenced" in capsys.readouterr().out
    assert main(["alerts", "silences"]) == 0
    assert silence in capsys.readouterr().out
    assert main(["alerts", "unsilence", silence]) == 0
    assert main(["alerts", "unsilence", silence]) == 2
    assert main(["alerts", "--check"]) == 1


@pytest.mark.parametrize("words", [["history", "--json"], ["--json", "history"], ["history", "--json", "--limit", "1"]])
def test_the_history_says_what_fired(home, capsys, words):
    assert main(["alerts", *words]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["state"]) == ("High", "firing")


def test_a_history_of_nothing_is_refused(home, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["alerts", "history", "--limit", "0"])
    assert stopped.value.code == 2
    assert "give a number from 1" in capsys.readouterr().err


def test_without_alerts_the_verb_says_so(at, capsys):
    assert main(["alerts"]) == 0
    assert "nothing has evaluated rules here" in capsys.readouterr().out
    assert main(["alerts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_wrong_lengths_and_conditions_are_refused(at, capsys):
    assert main(["alerts", "silence", "High", "--for", "soon"]) == 2
    assert main(["alerts", "silence", "job=~("]) == 2


def test_a_damaged_file_is_told(home, capsys):
    for path in (home / ".spanwatch").glob("alerts.db*"):
        path.unlink()
    (home / ".spanwatch" / "alerts.db").write_bytes(b"not a database" * 100)
    assert main(["alerts"]) == 1
    assert "cannot be read" in capsys.readouterr().err
    shutil.rmtree(home / ".spanwatch")
