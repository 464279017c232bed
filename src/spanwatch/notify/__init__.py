"""Notifiers: who is told of alerts. Each is a callable that takes a `Notification`; any callable of yours is one, too.

`to(notifier, severities=..., repeat=...)` says of which alerts it is told, and how often again.
"""

from __future__ import annotations

from spanwatch.core.rules.alert import Alert, Notification
from spanwatch.notify.addresses import DeliveryError
from spanwatch.notify.alertmanager import Alertmanager
from spanwatch.notify.email import Email
from spanwatch.notify.log import Console, Log
from spanwatch.notify.pagerduty import PagerDuty
from spanwatch.notify.routing import Notifier, Route, to
from spanwatch.notify.secret import Secret
from spanwatch.notify.slack import Slack
from spanwatch.notify.webhook import Webhook

__all__ = [
    "Alert",
    "Alertmanager",
    "Console",
    "DeliveryError",
    "Email",
    "Log",
    "Notification",
    "Notifier",
    "PagerDuty",
    "Route",
    "Secret",
    "Slack",
    "Webhook",
    "to",
]
