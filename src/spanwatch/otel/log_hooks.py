"""What spanwatch does to the standard library's logging between `configure()` and `shutdown()`."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry._logs import Logger

from spanwatch.core.settings import Settings
from spanwatch.otel.correlation import Correlation
from spanwatch.otel.guard import Guard
from spanwatch.otel.log_capture import LogCapture
from spanwatch.otel.telemetry import Content


class LogHooks:
    """Marks every record with its span and, with `logs` on, emits it as an OTel log record too; `off()` undoes both."""

    def __init__(self, settings: Settings, logger: Callable[[], Logger], guard: Guard) -> None:
        content = Content(settings.content, settings.content_max_bytes)
        self._correlation = Correlation(settings.service)
        self._capture = LogCapture(logger, content, guard) if settings.logs else None

    def off(self) -> None:
        """Leave logging as it was."""
        if self._capture is not None:
            self._capture.off()
        self._correlation.off()
