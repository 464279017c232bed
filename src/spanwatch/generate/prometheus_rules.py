"""The shipped rules, or others, as a Prometheus rule file with its unit tests: the same text that is evaluated here.

What several rules compute is recorded once (see recording.py). Whatever has no PromQL (call rules, what the ledger
says, Python) is left out and named in a comment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spanwatch.core import names
from spanwatch.core.durations import written
from spanwatch.core.names import Metric
from spanwatch.core.prometheus import label_name
from spanwatch.core.promql.load import selectors
from spanwatch.core.rules.declaration import Rule
from spanwatch.core.rules.defaults import defaults
from spanwatch.core.rules.making import series
from spanwatch.core.rules.templates import filled
from spanwatch.generate.recording import shared

GROUP = "spanwatch"
RULES, TESTS = f"{GROUP}.yaml", f"{GROUP}_test.yaml"
NO_DATA = "NoData"
_HEAD = "# Written by `spanwatch generate prometheus-rules`: what spanwatch evaluates in process, for Prometheus.\n"
_FOR_TESTS = "# Unit tests of spanwatch.yaml: promtool test rules, or spanwatch rules test.\n"


def files(rules: Sequence[Rule] | None = None) -> dict[str, str]:
    """Name → text of the rule file, and for the shipped rules of its unit tests; the same every time."""
    if rules is None:
        return {RULES: rule_file(defaults()), TESTS: test_file()}
    return {RULES: rule_file(rules)}


def rule_file(rules: Sequence[Rule]) -> str:
    """A rule file with these rules."""
    left = [rule.name for rule in rules if not rule.portable]
    lines = [_HEAD.rstrip()]
    if left:
        lines.append(f"# In process only: {', '.join(left)}.")
    lines += ["groups:", f"  - name: {GROUP}", "    rules:"]
    found = shared([rule.loaded for rule in rules if rule.loaded is not None])
    for record in found.records:
        lines += [f"      - record: {record.name}", f"        expr: {_text(record.expr)}"]
    for rule in rules:
        if rule.portable:
            lines += _rule(rule, found.rewritten.get(str(rule.expr), str(rule.expr)))
    return "\n".join(lines) + "\n"


def _rule(rule: Rule, expr: str) -> Iterator[str]:
    yield from _alert(rule.name, " ".join(expr.split()), rule, _annotations(rule))
    if rule.no_data == "alert" and rule.loaded is not None:
        absent = " and ".join(f"absent({each.text})" for each in selectors(rule.loaded.root))
        told = {"summary": f"{rule.name} cannot be judged: no series is there."}
        yield from _alert(f"{rule.name}{NO_DATA}", absent, rule, told)


def _alert(name: str, expr: str, rule: Rule, annotations: Mapping[str, str]) -> Iterator[str]:
    yield f"      - alert: {_text(name)}"
    yield f"        expr: {_text(expr)}"
    if rule.for_s:
        yield f"        for: {written(rule.for_s)}"
    if rule.keep_s:
        yield f"        keep_firing_for: {written(rule.keep_s)}"
    yield "        labels:"
    for key, value in {"severity": rule.severity, **rule.labels}.items():
        yield f"          {key}: {_text(value)}"
    yield "        annotations:"
    for key, value in annotations.items():
        yield f"          {key}: {_text(value)}"


def _annotations(rule: Rule) -> dict[str, str]:
    found = {
        "summary": rule.summary or rule.name,
        "description": rule.description,
        "runbook_url": rule.runbook_url,
        "dashboard_url": rule.dashboard_url,
    }
    return {key: text for key, text in found.items() if text}


def _text(value: str) -> str:
    """A YAML scalar: JSON's strings are YAML's."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Case:
    """Series that make one shipped rule fire, and those that do not; the value that it has then, and its labels."""

    rule: str
    firing: tuple[tuple[str, str], ...]
    quiet: tuple[tuple[str, str], ...]
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    at: str = "30m"


def _of(metric: Metric, part: str = "", **labels: str) -> str:
    told = ", ".join(f'{label_name(key)}="{value}"' for key, value in labels.items())
    return f'{series(metric, part)}{{job="bot"{", " if told else ""}{told}}}'


def _ended(outcome: str) -> str:
    return _of(names.REQUEST_DURATION, "_count", **{names.OUTCOME: outcome})


def _called(status: str) -> str:
    return _of(names.CALLS, **{names.CALL_STATUS: status})


def _cases() -> list[_Case]:
    budget = {names.BUDGET_NAME: "daily", names.BUDGET_SCOPE: ""}
    scoped = ((label_name(names.BUDGET_NAME), "daily"),)
    spent = _of(names.BUDGET_UTILIZATION, **budget)
    lasted = {part: _of(names.REQUEST_DURATION, part) for part in ("_sum", "_count")}
    rated = {part: _of(names.RATING, part) for part in ("_sum", "_count")}
    lost = _of(names.TELEMETRY_DROPPED, **{names.ERROR_TYPE: "queue_full"})
    return [
        _Case(
            "HighErrorRate",
            ((_ended("ok"), "0+3x60"), (_ended("error"), "0+1x60")),
            ((_ended("ok"), "0+99x60"), (_ended("error"), "0+1x60")),
            0.25,
        ),
        _Case(
            "HighCallErrorRate",
            ((_called("ok"), "0+3x60"), (_called("error"), "0+1x60")),
            ((_called("ok"), "0+99x60"), (_called("error"), "0+1x60"), (_called("cancelled"), "0+50x60")),
            0.25,
        ),
        _Case(
            "SlowResponses",
            ((lasted["_sum"], "0+16x60"), (lasted["_count"], "0+2x60")),
            ((lasted["_sum"], "0+8x60"), (lasted["_count"], "0+2x60")),
            8,
        ),
        _Case("SpendIsHigh", ((_of(names.COST), "0+4x60"),), ((_of(names.COST), "0+1x60"),), 120),
        _Case("BudgetIsSpent", ((spent, "1x60"),), ((spent, "0.9x60"),), 1, scoped),
        _Case("BudgetIsNearlySpent", ((spent, "0.8x60"),), ((spent, "0.5x60"),), 0.8, scoped),
        _Case(
            "LowRatings",
            ((rated["_sum"], "0+4x60"), (rated["_count"], "0+2x60")),
            ((rated["_sum"], "0+8x60"), (rated["_count"], "0+2x60")),
            2,
        ),
        _Case(
            "CostIsUnknown",
            ((_of(names.UNPRICED_CALLS), "0+1x60"), (_of(names.CALLS), "0+4x60")),
            ((_of(names.UNPRICED_CALLS), "0x60"), (_of(names.CALLS), "0+4x60")),
            0.25,
        ),
        _Case(
            "TelemetryIsLost",
            ((lost, "0+1x60"),),
            ((lost, "5x60"),),
            10,
            ((label_name(names.ERROR_TYPE), "queue_full"),),
        ),
    ]


def test_file() -> str:
    """The unit tests of the shipped rules: each fires when it should, with its texts, and not otherwise."""
    rules = {rule.name: rule for rule in defaults()}
    lines = [_FOR_TESTS.rstrip(), f"rule_files: [{RULES}]", "evaluation_interval: 1m", "tests:"]
    for case in _cases():
        lines += _test(rules[case.rule], case, case.firing, fires=True)
        lines += _test(rules[case.rule], case, case.quiet, fires=False)
    return "\n".join(lines) + "\n"


def _test(rule: Rule, case: _Case, given: Sequence[tuple[str, str]], *, fires: bool) -> Iterator[str]:
    told = "fires" if fires else "is quiet"
    yield f"  - name: {_text(f'{rule.name} {told}')}"
    yield "    interval: 1m"
    yield "    input_series:"
    for name, values in given:
        yield f"      - {{series: {_text(name)}, values: {_text(values)}}}"
    yield "    alert_rule_test:"
    yield f"      - eval_time: {case.at}"
    yield f"        alertname: {rule.name}"
    if not fires:
        yield "        exp_alerts: []"
        return
    labels: dict[str, Any] = {**dict(case.labels), "severity": rule.severity, **rule.labels}
    texts = {key: filled(text, dict(case.labels), float(case.value)) for key, text in _annotations(rule).items()}
    yield "        exp_alerts:"
    yield f"          - exp_labels: {json.dumps(labels, ensure_ascii=False)}"
    yield f"            exp_annotations: {json.dumps(texts, ensure_ascii=False)}"
