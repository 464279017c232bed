"""How each signal is attached: *ours*, or *joined* to the application's provider, now or when it sets one later.

Joining adds our processor (for metrics: nothing, our instruments are its own) and an exporter only where the endpoint
was given to spanwatch itself; that exporter gets what spanwatch made, never what other libraries did.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from spanwatch.core.exports import Export, Signal
from spanwatch.core.names import SCHEMA_URL, SCOPE
from spanwatch.core.settings import Settings
from spanwatch.otel.clearing import ClearedLogs, ClearedSpans, Clearing
from spanwatch.otel.delivery.lane import Lane
from spanwatch.otel.delivery.ways import LaneWay, metric_way
from spanwatch.otel.doubles import dropped
from spanwatch.otel.hinges import LogHinge, SpanHinge
from spanwatch.otel.live.live import Live
from spanwatch.otel.live.reader import LiveReader
from spanwatch.otel.outlets import Way, log_outlet, metric_outlet, span_outlet
from spanwatch.otel.processor import LogProcessor
from spanwatch.otel.providers import LOGS, METRICS, TRACES
from spanwatch.otel.sampler import GenAISampler
from spanwatch.otel.switching import OwnLoggerProvider, OwnMeterProvider, OwnTracerProvider, Succession
from spanwatch.otel.version import VERSION

_REPLACES = "replace_default_processor"


@dataclass(frozen=True, slots=True)
class Taps:
    """Further receivers of everything: in tests."""

    spans: tuple[SpanProcessor, ...] = ()
    logs: tuple[LogRecordProcessor, ...] = ()
    readers: tuple[MetricReader, ...] = ()


class Host(Protocol):
    """What an attachment needs of the instance that it serves."""

    settings: Settings
    taps: Taps
    live: Live | None
    clearing: Clearing

    def resource(self) -> Resource:
        """The resource of this process."""

    def processor(self, inner: Sequence[SpanProcessor], lane: Lane | None, *, whole: bool) -> SpanProcessor:
        """The hinge's inside."""

    def log_processor(self, lane: Lane | None) -> LogProcessor | None:
        """What journals log records, with the store on, and what has them sent."""

    def lane(self, signal: Signal, export: Export | None, only_scope: str | None) -> Lane | None:
        """Our own way out for a signal; None where it has none, or goes out by the stock exporter."""

    def opened(self, way: Way) -> None:
        """A signal has a way out from now on."""

    def joined(self, signal: Signal, note: str | None) -> None:
        """The application's provider is in force; `note` says what that one cannot do."""


class _Attachment:
    signal: Signal

    def __init__(self, host: Host) -> None:
        self.host = host
        self.is_joined = False
        self._succession: Succession | None = None

    def export(self) -> Export | None:
        """Where this signal goes out, in the way it is attached now; None when it does not."""
        found = (export for export in self.host.settings.exports if export.signal == self.signal)
        return next((export for export in found if not self.is_joined or export.url is not None), None)

    def detach(self) -> None:
        """Let everything pass by, also what an application's provider brings that is set later."""
        if self._succession is not None:
            self._succession.on_taken = _nobody


class Traces(_Attachment):
    """Spans: a provider with sampler, hinge and exporter, or the hinge in the application's."""

    signal: Signal = "traces"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._own: OwnTracerProvider | None = None
        self._hinge = SpanHinge(None)
        self._seen: trace.TracerProvider | None = None
        self._tracer: trace.Tracer = trace.NoOpTracer()

    def attach(self) -> None:
        """Join the provider in force, or set ours."""
        theirs = TRACES.existing()
        if theirs is not None:
            self._join(theirs)
            return
        provider = OwnTracerProvider(
            self._join, sampler=_sampler(self.host.settings), resource=self.host.resource(), shutdown_on_exit=False
        )
        provider.sampler = GenAISampler(provider.sampler)
        self._hinge = SpanHinge(self._inside(whole=True))
        provider.add_span_processor(self._hinge)
        self._own = provider
        self._succession = provider.succession
        TRACES.offer(provider)
        self._seen, self._tracer = provider, _tracer(provider)

    def tracer(self) -> trace.Tracer:
        """The tracer of the provider in force now."""
        provider = trace.get_tracer_provider()
        if provider is not self._seen and not isinstance(provider, OwnTracerProvider):  # replaced past the API
            self._join(provider)
        return self._tracer

    def renew(self) -> None:
        """In a forked child: tell our provider's tracers who they are now."""
        update = getattr(self._own, "_update_resource", None)
        if update is not None and self._own is not None:
            update(self.host.resource())

    def detach(self) -> None:
        """Let spans pass by."""
        super().detach()
        self._hinge.off()

    def _join(self, provider: Any) -> None:
        self._own, self._seen = None, provider
        self.is_joined = True
        self._tracer = _tracer(provider)
        self._hinge = SpanHinge(self._inside(whole=False))
        add = getattr(provider, "add_span_processor", None)
        if add is not None:
            add(self._hinge, **_beside(add))
        note = None if add is not None else f"{type(provider).__qualname__} takes no processor: its spans are not seen"
        self.host.joined("traces", note)

    def resource(self) -> Resource | None:
        """That of the application's provider, where it is joined and has one."""
        found = getattr(self._seen, "resource", None) if self.is_joined else None
        return found if isinstance(found, Resource) else None

    def _inside(self, *, whole: bool) -> SpanProcessor:
        export, only_scope, clearing = self.export(), SCOPE if self.is_joined else None, self.host.clearing
        inner: tuple[SpanProcessor, ...] = tuple(ClearedSpans(tap, clearing) for tap in self.host.taps.spans)
        lane = self.host.lane("traces", export, only_scope)
        if lane is not None:
            self.host.opened(LaneWay(lane))
        elif export is not None:
            outlet, processor = span_outlet(export, clearing, only_scope)
            self.host.opened(outlet)
            inner = (*inner, processor)
        return self.host.processor(inner, lane, whole=whole)


class Metrics(_Attachment):
    """Metrics: a provider, with a reader when they go out, or the application's."""

    signal: Signal = "metrics"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._lent: list[tuple[Any, LiveReader]] = []  # to the application's provider

    def attach(self) -> None:
        """Join the provider in force, or set ours."""
        theirs = METRICS.existing()
        if theirs is not None:
            self._join(theirs)
            return
        readers = self._readers(None)
        provider = OwnMeterProvider(
            self._join,
            metric_readers=readers,
            resource=self.host.resource(),
            views=dropped(),
            shutdown_on_exit=False,
        )
        self._succession = provider.succession
        METRICS.offer(provider)

    def meter(self) -> metrics.Meter:
        """A meter that stays right when the provider changes."""
        return metrics.get_meter_provider().get_meter(SCOPE, VERSION, SCHEMA_URL)

    def renew(self) -> None:
        """In a forked child: begin at zero, for what was counted before the fork is the parent's to report."""
        if self.is_joined:
            self._join(metrics.get_meter_provider())
        else:
            self.attach()

    def _join(self, provider: Any) -> None:
        self.is_joined = True
        add = getattr(provider, "add_metric_reader", None)
        if add is not None:
            for reader in self._readers(SCOPE):
                add(reader)
                if isinstance(reader, LiveReader):
                    self._lent.append((provider, reader))
        self.host.joined("metrics", None)

    def release(self) -> None:
        """Take our readers out of the application's provider, where its SDK can: each makes its instruments dearer."""
        for provider, reader in self._lent:
            remove = getattr(provider, "remove_metric_reader", None)
            if remove is not None and reader.join(0):  # else it would be waited for
                remove(reader)
        self._lent.clear()

    def _readers(self, only_scope: str | None) -> list[MetricReader]:
        export, readers = self.export(), list(self.host.taps.readers)
        lane = self.host.lane("metrics", export, None)
        if lane is not None:
            way, made = metric_way(lane, self.host.clearing, only_scope, self.host.live)
            self.host.opened(way)
            readers += made
        elif export is not None:
            outlet, made = metric_outlet(export, self.host.clearing, only_scope, self.host.live)
            self.host.opened(outlet)
            readers += made
        elif self.host.live is not None:
            readers.append(self.host.live.new_reader())
        return readers


class Logs(_Attachment):
    """Log records: a provider with our journal and exporter, or both in the application's for our own records."""

    signal: Signal = "logs"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._own: OwnLoggerProvider | None = None
        self._hinge = LogHinge(joined=False)

    def attach(self) -> None:
        """Join the provider in force, or set ours."""
        theirs = LOGS.existing()
        if theirs is not None:
            self._join(theirs)
            return
        provider = OwnLoggerProvider(self._join, resource=self.host.resource(), shutdown_on_exit=False)
        self._hinge = self._made()
        provider.add_log_record_processor(self._hinge)
        self._own = provider
        self._succession = provider.succession
        LOGS.offer(provider)

    def logger(self) -> _logs.Logger:
        """The logger of the provider in force now."""
        return _logs.get_logger_provider().get_logger(SCOPE, VERSION, schema_url=SCHEMA_URL)

    def renew(self) -> None:
        """In a forked child: tell our provider's loggers who they are now."""
        update = getattr(self._own, "_update_resource", None)
        if update is not None and self._own is not None:
            update(self.host.resource())

    def detach(self) -> None:
        """Let records pass by."""
        super().detach()
        self._hinge.off()

    def _join(self, provider: Any) -> None:
        self._own = None
        self.is_joined = True
        self._hinge = self._made()
        add: Callable[[Any], object] | None = getattr(provider, "add_log_record_processor", None)
        if add is not None:
            add(self._hinge)
        self.host.joined("logs", None)

    def _made(self) -> LogHinge:
        export = self.export()
        lane = self.host.lane("logs", export, None)  # the hinge lets only what is sent pass by
        keeper = self.host.log_processor(lane)
        targets: list[LogRecordProcessor] = [ClearedLogs(tap, self.host.clearing) for tap in self.host.taps.logs]
        if keeper is not None:
            targets.append(keeper)
        if lane is not None:
            self.host.opened(LaneWay(lane))
        elif export is not None:
            outlet, processor = log_outlet(export, self.host.clearing)
            self.host.opened(outlet)
            targets.append(processor)
        return LogHinge(*targets, joined=self.is_joined)


def _nobody(_provider: Any) -> None:
    """Who is told after the end."""


def _beside(add: Callable[..., object]) -> dict[str, bool]:
    """What keeps the provider's own exporter: Phoenix's takes it out for the first processor that is added."""
    try:
        known = inspect.signature(add).parameters
    except (TypeError, ValueError):
        return {}
    return {_REPLACES: False} if _REPLACES in known else {}


def _tracer(provider: trace.TracerProvider) -> trace.Tracer:
    get = provider.real if isinstance(provider, OwnTracerProvider) else provider.get_tracer
    return get(SCOPE, VERSION, SCHEMA_URL)


def _sampler(settings: Settings) -> ParentBased | None:
    return None if settings.sample is None else ParentBased(TraceIdRatioBased(settings.sample))
