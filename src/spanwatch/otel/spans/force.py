"""Where scopes report: to what `configure()` has set up, else to whatever global providers there are."""

from __future__ import annotations

import atexit
import time
import uuid
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from opentelemetry import _logs, metrics, trace

from spanwatch.core.call import Call
from spanwatch.core.names import SCHEMA_URL, SCOPE
from spanwatch.otel.guard import Guard
from spanwatch.otel.recorder import Recorder
from spanwatch.otel.setup import INSTANCE
from spanwatch.otel.telemetry import Content, Telemetry
from spanwatch.otel.version import VERSION
from spanwatch.otel.worker import Observed


def in_force() -> Telemetry:
    """The hooks for a scope that begins now."""
    telemetry = INSTANCE.telemetry
    if telemetry is not None:
        return telemetry
    _BARE.catch_up()
    return _BARE.telemetry


class Bare:
    """Hooks on the global providers of a process that has configured nothing, or nothing any more.

    There is no thread: metrics are recorded on the caller's, and what was deferred waits for the next scope or exit.
    """

    def __init__(self) -> None:
        self.telemetry = Telemetry(
            tracer=lambda: trace.get_tracer(SCOPE, VERSION, schema_url=SCHEMA_URL),
            finish=_as_it_is,
            defer=self._defer,
            active=lambda: False,
            content=Content(),
            ask_usage=False,
            clock=time.time_ns,
            new_id=lambda: uuid.uuid4().hex,
            measure=self._measure,
            logger=lambda: _logs.get_logger(SCOPE, VERSION, schema_url=SCHEMA_URL),
        )
        self._deferred: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._guard = Guard()
        self._recorder: tuple[metrics.MeterProvider, Recorder] | None = None
        atexit.register(self.catch_up)

    def catch_up(self) -> None:
        """Run what was deferred."""
        try:
            while not self._deferred.empty():
                self._guard.run("a deferred action", self._deferred.get_nowait())
        except Empty:
            pass

    def _defer(self, action: Callable[[], None]) -> None:
        self._deferred.put(action)

    def _measure(self, observed: Observed) -> None:
        provider = metrics.get_meter_provider()
        known = self._recorder
        if known is None or known[0] is not provider:
            known = self._recorder = provider, Recorder(metrics.get_meter(SCOPE, VERSION, provider, SCHEMA_URL))
        known[1]([observed])


def _as_it_is(_span: trace.Span, call: Call, **_more: Any) -> Call:
    return call


_BARE = Bare()
