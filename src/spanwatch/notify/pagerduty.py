"""PagerDuty, Events API v2: an incident for each group, opened by its first alert and resolved when all are over.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from spanwatch.core.harmless import clean
from spanwatch.core.rules.alert import SEVERITIES, Notification, moment
from spanwatch.notify.addresses import target_of
from spanwatch.notify.posting import TIMEOUT_S, post_json
from spanwatch.notify.secret import Secret

URL = "https://events.pagerduty.com/v2/enqueue"
MAX_SUMMARY = 1_024
MOST_DETAILS = 20


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """Sends each notification as an event; the routing key is a secret: `env:PAGERDUTY_KEY`.

    Raises:
        ConfigurationError: the key is not there.
    """

    routing_key: str | Secret
    _: KW_ONLY
    url: str = URL
    internal: Sequence[str] = ()
    timeout_s: float = TIMEOUT_S
    context: ssl.SSLContext | None = None
    receiver_name: str = "pagerduty"

    def __post_init__(self) -> None:
        object.__setattr__(self, "routing_key", Secret(self.routing_key))
        target_of(self.url, self.internal)

    def __call__(self, notification: Notification) -> None:
        """Tell one notification.

        Raises:
            DeliveryError: it did not arrive.
        """
        body = event(notification, Secret(self.routing_key).reveal())
        post_json(self.url, body, internal=self.internal, timeout_s=self.timeout_s, context=self.context)


def event(notification: Notification, routing_key: str) -> dict[str, Any]:
    """A notification as an event."""
    key = f"spanwatch-{notification.receiver}-{notification.key}"[:255]
    if notification.status == "resolved":
        return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": key}
    worst = max(notification.firing, key=lambda alert: _rank(alert.severity))
    said = clean(f"{notification.title}: {worst.summary}")
    payload = {
        "summary": said[:MAX_SUMMARY],
        "source": clean(notification.service or "spanwatch")[:255],
        "severity": worst.severity if worst.severity in SEVERITIES else "error",
        "timestamp": moment(worst.since_ns),
        "class": clean(worst.name)[:255],
        "custom_details": {
            "alerts": [alert.as_dict() for alert in notification.alerts[:MOST_DETAILS]],
            "more": notification.omitted + max(0, len(notification.alerts) - MOST_DETAILS),
        },
    }
    links = [(worst.runbook_url, "runbook"), (worst.dashboard_url, "dashboard")]
    return {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "spanwatch",
        "payload": payload,
        "links": [{"href": url, "text": name} for url, name in links if url],
    }


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1
