"""Our own providers. What they hand out switches to the application's provider when it sets one later.

Without us, a tracer got early is a proxy that follows whatever provider the application sets. Ours does the same, so
nothing that was got from us before is lost to the application's exporters afterwards.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from opentelemetry import _logs, metrics, trace
from opentelemetry.metrics._internal import _ProxyMeter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util._decorator import _agnosticcontextmanager

_Scope = tuple[Any, ...]


class _Switchable(Protocol):
    def switch(self, provider: Any) -> None: ...


class Succession:
    """Who comes after a provider of ours, what it handed out, and who wants to know.

    `on_taken` is called with the application's provider when that has become the global one.
    """

    def __init__(self, on_taken: Callable[[Any], None]) -> None:
        self.on_taken = on_taken
        self.heir: Any = None
        self._given: weakref.WeakSet[Any] = weakref.WeakSet()

    def give(self, item: _Switchable) -> None:
        """Remember what was handed out; at once switched when an heir came in between."""
        self._given.add(item)
        if self.heir is not None:
            item.switch(self.heir)

    def yield_to(self, heir: Any) -> None:
        """From now on everything handed out works for `heir`."""
        self.heir = heir
        for item in list(self._given):
            item.switch(heir)


class SwitchingTracer(trace.Tracer):
    """A tracer of ours, or of the application's provider once it has set one."""

    def __init__(self, inner: trace.Tracer, scope: _Scope) -> None:
        self.inner = inner
        self._scope = scope

    def switch(self, provider: trace.TracerProvider) -> None:
        """Work for another provider from the next span on."""
        if isinstance(provider, OwnTracerProvider):
            self.inner = provider.real(*self._scope)
            provider.succession.give(self)
        elif isinstance(provider, trace.ProxyTracerProvider):
            self.inner = FollowingTracer(self._scope)
        else:
            self.inner = provider.get_tracer(*self._scope)

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        """See `opentelemetry.trace.Tracer.start_span`."""
        return self.inner.start_span(*args, **kwargs)

    @_agnosticcontextmanager
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Iterator[trace.Span]:
        """See `opentelemetry.trace.Tracer.start_as_current_span`; as a decorator it switches too."""
        with self.inner.start_as_current_span(*args, **kwargs) as span:
            yield span

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class FollowingTracer(trace.Tracer):
    """Works for whatever provider is the global one, where none was when a provider of ours went away.

    The API's own proxy would keep the first real tracer for good, and so a chain of all that ever stood in.
    """

    def __init__(self, scope: _Scope) -> None:
        self._scope = scope
        self._seen: trace.TracerProvider | None = None
        self._inner: trace.Tracer = trace.NoOpTracer()

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        """See `opentelemetry.trace.Tracer.start_span`."""
        return self._tracer().start_span(*args, **kwargs)

    @_agnosticcontextmanager
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Iterator[trace.Span]:
        """See `opentelemetry.trace.Tracer.start_as_current_span`."""
        with self._tracer().start_as_current_span(*args, **kwargs) as span:
            yield span

    def _tracer(self) -> trace.Tracer:
        provider = trace.get_tracer_provider()
        if provider is not self._seen:
            self._seen, self._inner = provider, _real_tracer(provider, self._scope)
        return self._inner


class OwnTracerProvider(TracerProvider):
    """An SDK provider that can yield to the application's."""

    def __init__(self, on_taken: Callable[[Any], None], **kwargs: Any) -> None:
        self.succession = Succession(on_taken)
        super().__init__(**kwargs)

    def real(self, *scope: Any) -> trace.Tracer:
        """The SDK's own tracer."""
        return super().get_tracer(*scope)

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """See `opentelemetry.sdk.trace.TracerProvider.get_tracer`."""
        scope = _scope("instrumenting_module_name", "instrumenting_library_version", args, kwargs)
        tracer = SwitchingTracer(self.real(*scope), scope)
        self.succession.give(tracer)
        return tracer


class SwitchingMeter(_ProxyMeter):
    """A meter whose instruments are proxies bound to a real meter, and bound anew when the provider changes."""

    def __init__(self, inner: metrics.Meter, scope: _Scope) -> None:
        super().__init__(*scope[:3])
        self.inner = inner
        self._scope = scope
        self._instruments = _Bound(self)

    def switch(self, provider: metrics.MeterProvider) -> None:
        """Record with another provider from now on."""
        if isinstance(provider, OwnMeterProvider):
            self.inner = provider.real(*self._scope)
            provider.succession.give(self)
        else:
            self.inner = provider.get_meter(*self._scope)
        for instrument in list(self._instruments):
            instrument.on_meter_set(self.inner)


class _Bound(list[Any]):
    """The list in which a proxy meter keeps its instruments: binds each as it comes in."""

    def __init__(self, meter: SwitchingMeter) -> None:
        super().__init__()
        self._meter = weakref.proxy(meter)

    def append(self, instrument: Any) -> None:
        instrument.on_meter_set(self._meter.inner)
        super().append(instrument)


class OwnMeterProvider(MeterProvider):
    """An SDK provider that can yield to the application's."""

    def __init__(self, on_taken: Callable[[Any], None], **kwargs: Any) -> None:
        self.succession = Succession(on_taken)
        self._handed: dict[_Scope, SwitchingMeter] = {}
        super().__init__(**kwargs)

    def real(self, *scope: Any) -> metrics.Meter:
        """The SDK's own meter."""
        return super().get_meter(*scope)

    def get_meter(self, *args: Any, **kwargs: Any) -> metrics.Meter:
        """See `opentelemetry.sdk.metrics.MeterProvider.get_meter`."""
        scope = _scope("name", "version", args, kwargs)
        key = (*scope[:3], tuple(sorted((scope[3] or {}).items())) if len(scope) > 3 else ())
        meter = self._handed.get(key)
        if meter is None:
            meter = self._handed.setdefault(key, SwitchingMeter(self.real(*scope), scope))
            self.succession.give(meter)
        return meter


class SwitchingLogger(_logs.Logger):
    """A logger of ours, or of the application's provider once it has set one."""

    def __init__(self, inner: _logs.Logger, scope: _Scope) -> None:
        super().__init__(*scope)
        self.inner = inner
        self._scope = scope

    def switch(self, provider: _logs.LoggerProvider) -> None:
        """Emit to another provider from now on."""
        if isinstance(provider, OwnLoggerProvider):
            self.inner = provider.real(*self._scope)
            provider.succession.give(self)
        else:
            self.inner = provider.get_logger(*self._scope)

    def emit(self, *args: Any, **kwargs: Any) -> None:
        """See `opentelemetry._logs.Logger.emit`."""
        self.inner.emit(*args, **kwargs)

    def enabled(self, *args: Any, **kwargs: Any) -> bool:
        """See `opentelemetry._logs.Logger.enabled`."""
        return self.inner.enabled(*args, **kwargs)


class OwnLoggerProvider(LoggerProvider):
    """An SDK provider that can yield to the application's."""

    def __init__(self, on_taken: Callable[[Any], None], **kwargs: Any) -> None:
        self.succession = Succession(on_taken)
        super().__init__(**kwargs)

    def real(self, *scope: Any) -> _logs.Logger:
        """The SDK's own logger."""
        return super().get_logger(*scope)

    def get_logger(self, *args: Any, **kwargs: Any) -> _logs.Logger:
        """See `opentelemetry.sdk._logs.LoggerProvider.get_logger`."""
        scope = _scope("name", "version", args, kwargs)
        logger = SwitchingLogger(self.real(*scope), scope)
        self.succession.give(logger)
        return logger


def _real_tracer(provider: trace.TracerProvider, scope: _Scope) -> trace.Tracer:
    if isinstance(provider, trace.ProxyTracerProvider):
        return trace.NoOpTracer()
    return provider.real(*scope) if isinstance(provider, OwnTracerProvider) else provider.get_tracer(*scope)


def _scope(name: str, version: str, args: _Scope, kwargs: dict[str, Any]) -> _Scope:
    """The arguments that name a scope, in order; scope attributes only when given: older providers take none."""
    given = dict(zip((name, version, "schema_url", "attributes"), args, strict=False)) | kwargs
    scope = (given.get(name), given.get(version), given.get("schema_url"))
    return scope if given.get("attributes") is None else (*scope, given["attributes"])
