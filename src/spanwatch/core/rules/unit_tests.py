"""Unit tests of rules in promtool's file format, run without Prometheus.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spanwatch.core.durations import seconds
from spanwatch.core.errors import ConfigurationError, EvaluationError
from spanwatch.core.points import Labels
from spanwatch.core.promql import Element, Evaluation, Track, Tracks, load, vector_of
from spanwatch.core.promql.nodes import Selector
from spanwatch.core.promql.tracks import NAME
from spanwatch.core.rules.alert import ALERTNAME, SEVERITY, Alert, State
from spanwatch.core.rules.asking import Moment, ask
from spanwatch.core.rules.files import FromFile, Recording
from spanwatch.core.rules.lifecycle import step
from spanwatch.core.rules.templates import filled

MOST_VALUES = 100_000
_RUN = re.compile(r"([-+]?(?:\d[\d.eE]*|Inf|NaN)|_|stale)(?:([+-](?:\d[\d.eE]*))?x(\d+))?")
_MS = 1_000
_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met: the test's name, and what was expected and found."""

    test: str
    text: str


def run(tests: Mapping[str, Any], rules: Sequence[FromFile | Recording]) -> list[Failure]:
    """The failures of all tests of a file that was read already; `rules` are those of its rule files.

    Raises:
        ConfigurationError: the file is no file of unit tests; names the test.
    """
    every_ms = _length_ms(tests.get("evaluation_interval", "1m"), "evaluation_interval")
    groups = tests.get("tests")
    if not isinstance(groups, list):
        raise ConfigurationError("the file has no list of tests")
    found: list[Failure] = []
    for number, group in enumerate(groups, 1):
        if not isinstance(group, Mapping):
            raise ConfigurationError(f"test {number} is no table")
        name = str(group.get("name", f"number {number}"))
        try:
            found += _Test(group, rules, every_ms, name).failures()
        except ConfigurationError as error:
            raise ConfigurationError(f"test {name!r}: {error}") from None
    return found


class _Test:
    def __init__(
        self, group: Mapping[str, Any], rules: Sequence[FromFile | Recording], every_ms: int, name: str
    ) -> None:
        self._group, self._rules, self._every_ms, self._name = group, rules, every_ms, name
        interval = _length_ms(group.get("interval", "1m"), "interval")
        self._tracks = [_track(each, interval) for each in group.get("input_series") or ()]
        self._recorded: dict[Labels, tuple[list[int], list[float | None]]] = {}
        self._alerts: dict[int, dict[Labels, Alert]] = {}

    def failures(self) -> list[Failure]:
        """What was not met, of alerts and of expressions."""
        alert_tests = _tables(self._group, "alert_rule_test")
        expr_tests = _tables(self._group, "promql_expr_test")
        moments = sorted({_length_ms(each.get("eval_time", 0), "eval_time") for each in (*alert_tests, *expr_tests)})
        found: list[Failure] = []
        next_ms = 0
        for at in moments:
            while next_ms <= at:
                self._evaluate(next_ms)
                next_ms += self._every_ms
            found += [f for each in alert_tests if _at(each) == at for f in self._of_alert(each, at)]
            found += [f for each in expr_tests if _at(each) == at for f in self._of_expr(each, at)]
        return found

    def _source(self) -> Tracks:
        recorded = [Track(labels, times, values) for labels, (times, values) in self._recorded.items()]
        return Tracks([*self._tracks, *recorded])

    def _evaluate(self, at_ms: int) -> None:
        for place, each in enumerate(self._rules):
            try:
                if isinstance(each, Recording):
                    self._record(each, at_ms)
                else:
                    answer = ask(each.rule, Moment(self._source(), at_ms * _NS))
                    before = self._alerts.get(place, {})
                    self._alerts[place] = step(each.rule, before, answer.found, at_ms * _NS).alerts
            except EvaluationError:
                continue

    def _record(self, rule: Recording, at_ms: int) -> None:
        elements = vector_of(Evaluation(self._source(), at_ms).result(rule.expr))
        made = {_relabelled(each.labels, {**rule.labels, NAME: rule.name}): each.value for each in elements}
        for labels, (times, values) in self._recorded.items():
            if dict(labels)[NAME] == rule.name and labels not in made and values[-1] is not None:
                times.append(at_ms)
                values.append(None)
        for labels, value in made.items():
            times, values = self._recorded.setdefault(labels, ([], []))
            times.append(at_ms)
            values.append(value if isinstance(value, float) else value.count)

    def _of_alert(self, test: Mapping[str, Any], at_ms: int) -> Iterator[Failure]:
        name = str(test.get("alertname", ""))
        found = [shown for place, rule in enumerate(self._rules) for shown in self._firing(place, rule, name)]
        expected = [
            (_labels({**_table(each, "exp_labels"), ALERTNAME: name}), _labels(_table(each, "exp_annotations")))
            for each in _tables(test, "exp_alerts")
        ]
        if sorted(found) != sorted(expected):
            yield Failure(
                self._name, f"{name} at {at_ms // _MS} s: expected {_told(expected)}, and there fired {_told(found)}"
            )

    def _firing(self, place: int, rule: FromFile | Recording, name: str) -> Iterator[tuple[Labels, Labels]]:
        if isinstance(rule, Recording) or rule.rule.name != name:
            return
        for alert in self._alerts.get(place, {}).values():
            if alert.state is State.FIRING:
                labels = dict(alert.labels)
                if not rule.has_severity:
                    labels.pop(SEVERITY, None)
                texts = {key: filled(text, labels, alert.value) for key, text in rule.annotations.items()}
                yield _labels(labels), _labels(texts)

    def _of_expr(self, test: Mapping[str, Any], at_ms: int) -> Iterator[Failure]:
        text = str(test.get("expr", ""))
        expected = [_sample(each) for each in _tables(test, "exp_samples")]
        try:
            elements = vector_of(Evaluation(self._source(), at_ms).result(load(text)))
        except EvaluationError as error:
            yield Failure(self._name, f"{text} at {at_ms // _MS} s: {error}")
            return
        if not _agree(expected, elements):
            told = [(each.labels, each.value) for each in elements]
            yield Failure(self._name, f"{text} at {at_ms // _MS} s: expected {expected}, and there is {told}")


def _tables(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = table.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise ConfigurationError(f"{key} must be a list of tables, not {found!r:.80}")
    return found


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = table.get(key) or {}
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{key} must be a table of names and texts, not {found!r:.80}")
    return found


def _sample(table: Mapping[str, Any]) -> tuple[Labels, float]:
    value = table.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"each of exp_samples has a value, a number, not {value!r:.80}")
    return _selector(str(table.get("labels", ""))), float(value)


def _at(test: Mapping[str, Any]) -> int:
    return _length_ms(test.get("eval_time", 0), "eval_time")


def _length_ms(text: Any, what: str) -> int:
    if text in {0, "0", "0s", "0m"}:
        return 0
    try:
        return round(seconds(text) * _MS)
    except ValueError as error:
        raise ConfigurationError(f"{what}: {error}") from None


def _agree(expected: Sequence[tuple[Labels, float]], found: Sequence[Element]) -> bool:
    one = sorted(expected)
    other = sorted((each.labels, each.value if isinstance(each.value, float) else each.value.count) for each in found)
    if [labels for labels, _ in one] != [labels for labels, _ in other]:
        return False
    pairs = zip(one, other, strict=True)
    return all(
        a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9) for (_, a), (_, b) in pairs
    )


def _track(series: Any, interval_ms: int) -> Track:
    if not isinstance(series, Mapping) or "series" not in series or "values" not in series:
        raise ConfigurationError("each of input_series has series and values")
    values = list(values_of(str(series["values"])))
    told = [(place * interval_ms, value) for place, value in enumerate(values) if value != "_"]
    times = [at for at, _ in told]
    return Track(_selector(str(series["series"])), times, [None if v == "stale" else v for _, v in told])  # type: ignore[misc]


def values_of(text: str) -> Iterator[float | str]:
    """The values of promtool's notation: `1 2 _ stale`, `0+10x3` (4 values from 0 on), `5x2` (3 times 5).

    Raises:
        ConfigurationError: a part is none of these, or there are too many.
    """
    count = 0
    for part in text.split():
        found = _RUN.fullmatch(part)
        if found is None:
            raise ConfigurationError(f"{part!r} is no value: write numbers, _, stale, 1+2x3 or 5x2")
        times = int(found[3]) + (0 if found[1] in {"_", "stale"} else 1) if found[3] else 1
        count += times
        if count > MOST_VALUES:
            raise ConfigurationError(f"a series has {MOST_VALUES:,} values at most")
        for n in range(times):
            yield found[1] if found[1] in {"_", "stale"} else _number(found[1]) + n * _number(found[2] or "0")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no number") from None


def _selector(text: str) -> Labels:
    """The labels of `name{a="b"}`."""
    if text.strip() in {"", "{}"}:
        return ()
    found = load(text).root
    if not isinstance(found, Selector) or any(each.op != "=" for each in found.matchers):
        raise ConfigurationError(f'{text!r} is no series: write name{{label="value"}}')
    labels = {each.name: each.value for each in found.matchers}
    return _labels({**labels, NAME: found.name} if found.name is not None else labels)


def _labels(labels: Mapping[Any, Any]) -> Labels:
    return tuple(sorted((str(key), str(value)) for key, value in labels.items() if str(value)))


def _relabelled(labels: Labels, more: Mapping[str, str]) -> Labels:
    return _labels({**dict(labels), **more})


def _told(alerts: Iterable[tuple[Labels, Labels]]) -> str:
    told = [f"{dict(labels)} {dict(texts)}" for labels, texts in alerts]
    return "; ".join(told) if told else "nothing"
