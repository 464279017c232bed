"""Alertmanager: alerts are handed to it and it routes them, together with those of a whole fleet.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from spanwatch.core.rules.alert import Alert, Notification, State, moment
from spanwatch.core.series import SECOND_NS
from spanwatch.notify.addresses import target_of
from spanwatch.notify.posting import TIMEOUT_S, post_json
from spanwatch.notify.secret import Secret
from spanwatch.notify.webhook import told

STANDS_S = 300  # how long it takes an alert to fire when it hears nothing more


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Posts all alerts to an Alertmanager, again every minute while they fire.

    `url` is its base, such as `https://alertmanager.example.com`; `headers` may carry a bearer token as a secret.

    Raises:
        ConfigurationError: the URL cannot be used, or a secret is not there.
    """

    url: str
    _: KW_ONLY
    headers: Mapping[str, str | Secret] | None = None
    internal: Sequence[str] = ()
    timeout_s: float = TIMEOUT_S
    context: ssl.SSLContext | None = None
    receiver_name: str = "alertmanager"
    clock: Callable[[], int] = time.time_ns
    route: ClassVar[Mapping[str, Any]] = {
        "severities": ("info", "warning", "critical"),
        "group_by": (),
        "repeat": "1m",
        "whole": True,
    }

    def __post_init__(self) -> None:
        made = None if self.headers is None else {key: Secret(value) for key, value in self.headers.items()}
        object.__setattr__(self, "headers", made)
        target_of(self.url, self.internal)

    def __call__(self, notification: Notification) -> None:
        """Hand over the alerts of one notification.

        Raises:
            DeliveryError: they did not arrive.
        """
        post_json(
            f"{self.url.rstrip('/')}/api/v2/alerts",
            [_alert(alert, self.clock()) for alert in notification.alerts],
            headers={key: Secret(value).reveal() for key, value in (self.headers or {}).items()},
            internal=self.internal,
            timeout_s=self.timeout_s,
            context=self.context,
        )


def _alert(alert: Alert, now_ns: int) -> dict[str, Any]:
    is_over = alert.state is State.RESOLVED
    ends_ns = alert.ended_ns if is_over and alert.ended_ns is not None else now_ns + STANDS_S * SECOND_NS
    return {
        "labels": dict(alert.labels),
        "annotations": told(alert),
        "startsAt": moment(alert.since_ns),
        "endsAt": moment(ends_ns),
        **({"generatorURL": alert.dashboard_url} if alert.dashboard_url else {}),
    }
