"""Notifiers out of `[[notify]]` tables of spanwatch.toml: `type = "slack"` and its arguments, secrets by name only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spanwatch.core.errors import ConfigurationError
from spanwatch.notify.alertmanager import Alertmanager
from spanwatch.notify.email import Email
from spanwatch.notify.log import Console, Log
from spanwatch.notify.pagerduty import PagerDuty
from spanwatch.notify.routing import Notifier, Route, to
from spanwatch.notify.slack import Slack
from spanwatch.notify.webhook import Webhook

TYPES: dict[str, Callable[..., Notifier]] = {
    "alertmanager": Alertmanager,
    "console": Console,
    "email": Email,
    "log": Log,
    "pagerduty": PagerDuty,
    "slack": Slack,
    "webhook": Webhook,
}
_SECRETS = {"slack": ("url",), "pagerduty": ("routing_key",), "webhook": ("secret",), "email": ("password",)}
_OF_ROUTE = ("name", "severities", "group_by", "repeat")


def from_table(table: Mapping[str, Any]) -> Route:
    """The route that a table declares.

    Raises:
        ConfigurationError: it declares none; names the type and what is wrong, and no secret.
    """
    given = dict(table)
    kind = given.pop("type", None)
    if kind not in TYPES:
        raise ConfigurationError(f"[[notify]] has type {kind!r}; the types are {', '.join(sorted(TYPES))}")
    route = {key: given.pop(key) for key in _OF_ROUTE if key in given}
    for key in _SECRETS.get(kind, ()):
        if key in given and not str(given[key]).startswith(("env:", "file:")):
            raise ConfigurationError(f"[[notify]] of type {kind!r}: {key} is a secret, write 'env:NAME' or 'file:PATH'")
    try:
        return to(TYPES[kind](**given), **route)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"[[notify]] of type {kind!r}: {error}") from None
