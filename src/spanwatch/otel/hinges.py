"""What is put into a provider and cannot be taken out again: processors that can be turned off."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanwatch.core.names import SCOPE
from spanwatch.otel.context import stamp_log


class SpanHinge(SpanProcessor):
    """Hands spans to `target`, or to nobody after `off()`."""

    def __init__(self, target: SpanProcessor | None) -> None:
        self._target = target

    def off(self) -> None:
        """Do nothing from now on."""
        self._target = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """See `SpanProcessor`."""
        target = self._target  # once: another thread may turn it off meanwhile
        if target is not None:
            target.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor`."""
        target = self._target
        if target is not None:
            target.on_end(span)

    def shutdown(self) -> None:
        """See `SpanProcessor`."""
        target = self._target
        if target is not None:
            target.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanProcessor`."""
        target = self._target
        return target is None or target.force_flush(timeout_millis)


class LogHinge(LogRecordProcessor):
    """Hands log records to `targets`, or to nobody after `off()`; in an application's provider only our own records."""

    def __init__(self, *targets: LogRecordProcessor, joined: bool) -> None:
        self._targets, self._joined = targets, joined

    def off(self) -> None:
        """Do nothing from now on."""
        self._targets = ()

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """See `LogRecordProcessor`."""
        if self._targets:
            stamp_log(log_record)
        scope = log_record.instrumentation_scope
        if self._joined and (scope is None or scope.name != SCOPE):
            return
        for target in self._targets:
            target.on_emit(log_record)

    def shutdown(self) -> None:
        """Nothing: the pipeline closes what it opened."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `LogRecordProcessor`."""
        return all(target.force_flush(timeout_millis) for target in self._targets)
