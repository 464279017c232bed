"""The log and the console as receivers: what is told where nobody else is."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TextIO

from spanwatch.core.harmless import clean
from spanwatch.core.rules.alert import Alert, Notification, labels_text

_LEVELS = {"critical": logging.ERROR, "warning": logging.WARNING}


@dataclass(frozen=True, slots=True)
class Log:
    """Writes a record for each alert to a standard logger: critical ones as errors, ends as information."""

    logger: str = "spanwatch.alerts"
    receiver_name: str = "log"

    def __call__(self, notification: Notification) -> None:
        """Tell one notification."""
        logger = logging.getLogger(self.logger)
        for alert in notification.firing:
            logger.log(_LEVELS.get(alert.severity, logging.INFO), "%s", line(alert))
        for alert in notification.resolved:
            logger.info("%s", line(alert))
        if notification.omitted:
            logger.warning("and %d more alerts", notification.omitted)


@dataclass(frozen=True, slots=True)
class Console:
    """Writes a line for each alert to stderr, or another stream."""

    stream: TextIO | None = None
    receiver_name: str = "console"

    def __call__(self, notification: Notification) -> None:
        """Tell one notification."""
        stream = self.stream or sys.stderr
        lines = [line(alert) for alert in notification.alerts]
        if notification.omitted:
            lines.append(f"and {notification.omitted} more alerts")
        stream.write("".join(f"spanwatch: {each}\n" for each in lines))


def line(alert: Alert) -> str:
    """An alert on one line, harmless for terminals."""
    labels = labels_text(alert)
    traces = f" traces: {' '.join(alert.trace_ids)}" if alert.trace_ids else ""
    head = f"[{alert.severity}] {alert.name} {alert.state.value}: {alert.summary}"
    return clean(f"{head}{f' ({labels})' if labels else ''}{traces}")
