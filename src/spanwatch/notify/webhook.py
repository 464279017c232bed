"""A webhook: Alertmanager's JSON, version 4, so that whatever takes it from there takes it from here; signed by choice.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from spanwatch.core.rules.alert import Alert, Notification, moment
from spanwatch.notify.addresses import target_of
from spanwatch.notify.posting import TIMEOUT_S, post_json
from spanwatch.notify.secret import Secret

SIGNATURE = "X-Spanwatch-Signature"
NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts each notification to a URL.

    With a `secret`, the header `X-Spanwatch-Signature: t=UNIX,v1=HEX` has the HMAC-SHA256 of `UNIX.BODY`. `internal`
    names hosts that may be reached by plain http, or at addresses of this machine and network.

    Raises:
        ConfigurationError: the URL cannot be used, or a secret is not there.
    """

    url: str | Secret
    _: KW_ONLY
    secret: str | Secret | None = None
    headers: Mapping[str, str | Secret] | None = None
    internal: Sequence[str] = ()
    timeout_s: float = TIMEOUT_S
    context: ssl.SSLContext | None = None
    receiver_name: str = "webhook"
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", Secret(self.url))
        if self.secret is not None:
            object.__setattr__(self, "secret", Secret(self.secret))
        made = None if self.headers is None else {key: Secret(value) for key, value in self.headers.items()}
        object.__setattr__(self, "headers", made)
        target_of(Secret(self.url).reveal(), self.internal)

    def __call__(self, notification: Notification) -> None:
        """Tell one notification.

        Raises:
            DeliveryError: it did not arrive.
        """
        body = json.dumps(payload(notification), ensure_ascii=True).encode()
        headers = {key: Secret(value).reveal() for key, value in (self.headers or {}).items()}
        if self.secret is not None:
            headers[SIGNATURE] = signature(Secret(self.secret).reveal(), body, int(self.clock()))
        post_json(
            Secret(self.url).reveal(),
            body,
            headers=headers,
            internal=self.internal,
            timeout_s=self.timeout_s,
            context=self.context,
        )


def signature(secret: str, body: bytes, at_s: int) -> str:
    """The value of the signature's header; the receiver computes it again, and refuses times of long ago."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def payload(notification: Notification) -> dict[str, Any]:
    """A notification as Alertmanager's webhook has it."""
    alerts = [_alert(alert) for alert in notification.alerts]
    return {
        "version": "4",
        "groupKey": notification.key,
        "truncatedAlerts": notification.omitted,
        "status": notification.status,
        "receiver": notification.receiver,
        "groupLabels": dict(notification.labels),
        "commonLabels": _shared([alert["labels"] for alert in alerts]),
        "commonAnnotations": _shared([alert["annotations"] for alert in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "status": alert.state.value,
        "labels": dict(alert.labels),
        "annotations": told(alert),
        "startsAt": moment(alert.since_ns),
        "endsAt": moment(alert.ended_ns) or NEVER,
        "generatorURL": alert.dashboard_url,
        "fingerprint": alert.fingerprint,
    }


def told(alert: Alert) -> dict[str, str]:
    """What an alert says beside its labels."""
    found = {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": alert.runbook_url,
        "dashboard_url": alert.dashboard_url,
        "value": "" if alert.value is None else f"{alert.value:.12g}",
        "trace_ids": " ".join(alert.trace_ids),
    }
    return {key: text for key, text in found.items() if text}


def _shared(tables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = tables or [{}]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
