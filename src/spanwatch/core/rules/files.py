"""Prometheus' rule files as rules: alerting rules, and recording rules that they build on.

https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.promql import Expr, load
from spanwatch.core.rules.alert import SEVERITY
from spanwatch.core.rules.declaration import Rule
from spanwatch.core.rules.templates import check

_ALERT_KEYS = frozenset({"alert", "expr", "for", "keep_firing_for", "labels", "annotations"})
_RECORD_KEYS = frozenset({"record", "expr", "labels"})
_OWN = frozenset({"summary", "description", "runbook_url", "dashboard_url"})


@dataclass(frozen=True, slots=True)
class FromFile:
    """An alerting rule of a file, with all of its annotations, and whether the file says how severe it is."""

    rule: Rule
    annotations: Mapping[str, str]
    has_severity: bool
    group: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule: the name and labels of the series that its expression makes."""

    name: str
    expr: Expr
    labels: Mapping[str, str]
    group: str


def rules_in(content: Any, source: str) -> list[FromFile | Recording]:
    """The rules of a file that was read already, in the order in which they are evaluated.

    Raises:
        ConfigurationError: it is no rule file, or a rule of it cannot be used here; names group and rule.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("groups"), list):
        raise ConfigurationError(f"{source} is no rule file: it has no list of groups")
    return [rule for group in content["groups"] for rule in _of_group(group, source)]


def _of_group(group: Any, source: str) -> Iterator[FromFile | Recording]:
    if not isinstance(group, Mapping) or not isinstance(group.get("rules"), list):
        raise ConfigurationError(f"{source}: a group needs a name and a list of rules")
    name = str(group.get("name", ""))
    for number, table in enumerate(group["rules"], 1):
        place = f"{source}, group {name!r}, rule {number}"
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"{place} is no table")
        try:
            yield _recording(table, name) if "record" in table else _alerting(table, name)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{place}: {error}") from None


def _recording(table: Mapping[str, Any], group: str) -> Recording:
    _refuse_others(table, _RECORD_KEYS)
    return Recording(str(table["record"]), load(str(table.get("expr", ""))), _texts(table.get("labels")), group)


def _alerting(table: Mapping[str, Any], group: str) -> FromFile:
    _refuse_others(table, _ALERT_KEYS)
    if "alert" not in table:
        raise ValueError("it has neither alert nor record")
    labels, annotations = dict(_texts(table.get("labels"))), _texts(table.get("annotations"))
    severity = labels.pop(SEVERITY, None)
    for text in annotations.values():
        check(text)
    told: dict[str, Any] = {key: annotations[key] for key in _OWN & annotations.keys()}
    rule = Rule(
        str(table["alert"]),
        str(table.get("expr", "")),
        for_=str(table.get("for", "0s")),
        keep_firing_for=str(table.get("keep_firing_for", "0s")),
        severity=severity or "warning",  # type: ignore[arg-type]  # validated there
        labels=labels,
        **told,
    )
    return FromFile(rule, annotations, severity is not None, group)


def _refuse_others(table: Mapping[str, Any], known: frozenset[str]) -> None:
    others = sorted(table.keys() - known)
    if others:
        raise ValueError(f"{others[0]!r} is unknown; the keys are {', '.join(sorted(known))}")


def _texts(table: Any) -> Mapping[str, str]:
    if table is None:
        return {}
    if not isinstance(table, Mapping):
        raise TypeError("labels and annotations map names to texts")
    return {str(key): str(value) for key, value in table.items()}


def alerting(rules: Sequence[FromFile | Recording]) -> list[FromFile]:
    """The alerting rules."""
    return [each for each in rules if isinstance(each, FromFile)]
