"""Notifiers: who is told of alerts. Each is a callable that takes a `Notification`; any callable of yours is one, too.

`to(notifier, severities=..., repeat=...)` says of which alerts it is told, and how often again.
"""

from __future__ import annotations

from spanwatch.core.rules.alert import Alert, Notification
from spanwatch.notify.log import Console, Log
from spanwatch.notify.routing import Notifier, Route, to

__all__ = ["Alert", "Console", "Log", "Notification", "Notifier", "Route", "to"]
