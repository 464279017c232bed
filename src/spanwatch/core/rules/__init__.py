"""Rules and alerts: declared, made, loaded; how an alert lives; what is told, to whom and when. No clock, no I/O."""

from __future__ import annotations

from spanwatch.core.rules.alert import Alert, Firing, Notification, Severity, State
from spanwatch.core.rules.declaration import Rule, Snapshot, distinct
from spanwatch.core.rules.parsing import rules_from

__all__ = [
    "Alert",
    "Firing",
    "Notification",
    "Rule",
    "Severity",
    "Snapshot",
    "State",
    "distinct",
    "rules_from",
]
