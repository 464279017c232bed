"""Alerts: `alerts.active()` says what is wrong now, `alerts.history()` what was, `alerts.check()` looks at once.

Rules are given to `spanwatch.configure(rules=[...], notify=[...])`.
"""

from __future__ import annotations

from spanwatch.core.errors import CircuitOpen
from spanwatch.core.rules import Alert, Notification, State
from spanwatch.core.rules.silences import Silence
from spanwatch.otel.alerts.asking import active, breaker, check, history, silence, silences, unsilence
from spanwatch.store.alerts import Change

__all__ = [
    "Alert",
    "Change",
    "CircuitOpen",
    "Notification",
    "Silence",
    "State",
    "active",
    "breaker",
    "check",
    "history",
    "silence",
    "silences",
    "unsilence",
]
