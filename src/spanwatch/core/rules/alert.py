"""Alert: one rule and one set of labels, how it stands; Notification: what a notifier is given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from spanwatch.core.points import Labels

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
ALERTNAME, SEVERITY = "alertname", "severity"


class State(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"  # true, but not for long enough
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Firing:
    """What a rule found at one moment: labels, value, and traces that show it."""

    labels: Labels
    value: float | None
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Times are UNIX nanoseconds: `since_ns` when its condition became true, `fired_ns` when it fired.

    `labels` include `alertname` and `severity`. `value` is None where there is no number, such as for a call rule.
    `trace_ids` are traces that show what is wrong, `silenced_by` the silence that keeps it quiet.
    """

    labels: Labels
    state: State
    since_ns: int
    value: float | None = None
    fired_ns: int | None = None
    ended_ns: int | None = None
    true_ns: int = 0  # when its condition was last true
    summary: str = ""
    description: str = ""
    runbook_url: str = ""
    dashboard_url: str = ""
    trace_ids: tuple[str, ...] = ()
    fires: tuple[int, ...] = ()  # when it fired lately, for damping
    until_ns: int | None = None  # of what happened once: when it is over
    silenced_by: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The rule's name."""
        return dict(self.labels).get(ALERTNAME, "")

    @property
    def severity(self) -> str:
        """How bad it is: info, warning or critical."""
        return dict(self.labels).get(SEVERITY, "")

    @property
    def since(self) -> datetime:
        """When its condition became true, in UTC."""
        return datetime.fromtimestamp(self.since_ns / 1e9, UTC)

    @property
    def fingerprint(self) -> str:
        """Its identity: 16 hex characters of its labels."""
        return fingerprint(self.labels)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: times in ISO 8601, unknown None."""
        return {
            "name": self.name,
            "severity": self.severity,
            "state": self.state.value,
            "labels": dict(self.labels),
            "value": self.value,
            "since": moment(self.since_ns),
            "fired": moment(self.fired_ns),
            "ended": moment(self.ended_ns),
            "summary": self.summary,
            "description": self.description,
            "trace_ids": list(self.trace_ids),
            "runbook_url": self.runbook_url or None,
            "dashboard_url": self.dashboard_url or None,
            "silenced_by": self.silenced_by,
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class Notification:
    """What a notifier is told: the alerts of one group. `omitted` more were left out of a storm's summary.

    `status` is firing while any of them fires. `key` stays the same for a group, and names it to the receiver.
    """

    receiver: str
    key: str
    status: Literal["firing", "resolved"]
    labels: Labels
    alerts: tuple[Alert, ...]
    omitted: int = 0
    service: str = ""

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Those that fire."""
        return tuple(alert for alert in self.alerts if alert.state is State.FIRING)

    @property
    def resolved(self) -> tuple[Alert, ...]:
        """Those that are over."""
        return tuple(alert for alert in self.alerts if alert.state is State.RESOLVED)

    @property
    def title(self) -> str:
        """One line: what fires, how often, and of whom."""
        names = list(dict.fromkeys(alert.name for alert in self.alerts))
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        count = len(self.firing or self.alerts) + self.omitted
        number = f" x{count}" if count > 1 else ""
        return f"[{self.status.upper()}{number}] {shown}" + (f" ({self.service})" if self.service else "")


def labels_text(alert: Alert) -> str:
    """The labels that tell an alert from others of its rule, on one line."""
    return ", ".join(f"{key}={value}" for key, value in alert.labels if key not in {ALERTNAME, SEVERITY})


def fingerprint(labels: Labels) -> str:
    """16 hex characters that stand for labels."""
    text = json.dumps(sorted(labels), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def moment(at_ns: int | None) -> str | None:
    """A time in ISO 8601, UTC."""
    return None if at_ns is None else datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds")


def to_json(alert: Alert) -> str:
    """The alert as text for the store."""
    found = {name: getattr(alert, name) for name in _FIELDS}
    return json.dumps({**found, "labels": list(alert.labels), "state": alert.state.value})


def from_json(text: str) -> Alert:
    """What `to_json` gave.

    Raises:
        ValueError, KeyError, TypeError: the text is no alert.
    """
    found: Mapping[str, Any] = json.loads(text)
    known = {name: found[name] for name in _FIELDS if name in found}
    labels = tuple((str(key), str(value)) for key, value in found["labels"])
    alert = Alert(labels, State(found["state"]), **known)
    return replace(alert, trace_ids=tuple(alert.trace_ids), fires=tuple(alert.fires))


_FIELDS = (
    "since_ns",
    "value",
    "fired_ns",
    "ended_ns",
    "true_ns",
    "summary",
    "description",
    "runbook_url",
    "dashboard_url",
    "trace_ids",
    "fires",
    "until_ns",
)
