"""An exporter that rides on the live reader: it gets every so many of its collections, on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.sdk.environment_variables import OTEL_METRIC_EXPORT_INTERVAL, OTEL_METRIC_EXPORT_TIMEOUT
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricsData


def rides(exporter: MetricExporter) -> bool:
    """Whether an exporter takes what the live reader collects: cumulative sums throughout."""
    preferred = exporter._preferred_temporality or {}  # noqa: SLF001 (no public name)
    return all(each is AggregationTemporality.CUMULATIVE for each in preferred.values())


def interval_s(environ: Mapping[str, str]) -> float:
    """Seconds from one export to the next, by the standard variable; 60."""
    return _milliseconds(environ, OTEL_METRIC_EXPORT_INTERVAL, 60_000) / 1e3


def _milliseconds(environ: Mapping[str, str], variable: str, default: float) -> float:
    try:
        given = float(environ.get(variable, default))
    except ValueError:
        return default
    return given if given > 0 else default


class Carrier:
    """Exports the latest collection when `every_s` have passed; never two at once, and none is waited for.

    Args:
        exporter: Where to.
        environ: The standard variables of interval and timeout.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        exporter: MetricExporter,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.exporter, self.every_s = exporter, interval_s(environ)
        self._timeout_ms = _milliseconds(environ, OTEL_METRIC_EXPORT_TIMEOUT, 30_000)
        self._clock, self._done_at = clock, clock()
        self._under_way: threading.Event | None = None

    def offer(self, data: MetricsData | None, begin: Callable[[Callable[[], object]], threading.Event]) -> None:
        """Export through `begin`, which runs an action elsewhere, when it is time and the last export has ended."""
        now = self._clock()
        busy = self._under_way is not None and not self._under_way.is_set()
        if data is None or busy or now - self._done_at < self.every_s * 0.99:
            return
        self._done_at = now
        self._under_way = begin(lambda: self.export(data))

    def export(self, data: MetricsData | None) -> None:
        """Export now; what the exporter sends is not instrumented."""
        if data is None:
            return
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
        try:
            self.exporter.export(data, timeout_millis=self._timeout_ms)
        finally:
            detach(token)
