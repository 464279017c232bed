"""The global providers of the OTel API: what the application has set, and how ours is set so that it can yield.

The API lets a provider be set once and warns at the second time. Ours is set first, but must not be in the way: the
one private thing replaced here is the `Once` that guards each global. It stays open for the application's own
provider, which then becomes the global one without a warning; after that it is closed as ever.
`tests/otel/test_providers.py` holds the API to what is relied on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import _internal as _logs_internal
from opentelemetry.metrics import _internal as _metrics_internal
from opentelemetry.util._once import Once

from spanwatch.otel.guard import say
from spanwatch.otel.switching import OwnLoggerProvider, OwnMeterProvider, OwnTracerProvider, Succession


@dataclass(frozen=True, slots=True)
class Global:
    """One of the three global providers: where it is kept, and the class of ours."""

    module: ModuleType
    once: str
    current: Callable[[], Any]
    install: Callable[[Any], None]
    proxy: type[Any]
    own: type[Any]

    def existing(self) -> Any | None:
        """The provider that the application has set, or None: nothing set, or one of ours."""
        provider = self.current()
        return None if isinstance(provider, (self.proxy, self.own)) else provider

    def offer(self, provider: Any) -> None:
        """Make a provider of ours the global one until the application sets its own; ours from before yields to it."""
        before = self.current()
        provider.succession.heir = None
        setattr(self.module, self.once, Once())
        self.install(provider)
        setattr(self.module, self.once, _OpenDoor(lambda: self._taken(provider.succession)))
        if isinstance(before, self.own) and before is not provider:
            before.succession.yield_to(provider)

    def _taken(self, succession: Succession) -> None:
        theirs = self.current()
        try:  # inside the application's call
            succession.yield_to(theirs)
            succession.on_taken(theirs)
        except Exception as error:  # noqa: BLE001 (must not reach the application)
            say("joining %s failed with %s", type(theirs).__qualname__, type(error).__qualname__)


class _OpenDoor(Once):
    """Lets one more provider in, and says so after the API's lock is released."""

    def __init__(self, taken: Callable[[], None]) -> None:
        super().__init__()
        self._taken = taken

    def do_once(self, func: Callable[[], None]) -> bool:
        """See `opentelemetry.util._once.Once.do_once`."""
        done = super().do_once(func)
        if done:
            self._taken()
        return done


TRACES = Global(
    trace,
    "_TRACER_PROVIDER_SET_ONCE",
    trace.get_tracer_provider,
    trace.set_tracer_provider,
    trace.ProxyTracerProvider,
    OwnTracerProvider,
)
METRICS = Global(
    _metrics_internal,
    "_METER_PROVIDER_SET_ONCE",
    metrics.get_meter_provider,
    metrics.set_meter_provider,
    _metrics_internal._ProxyMeterProvider,  # noqa: SLF001 (has no public name)
    OwnMeterProvider,
)
LOGS = Global(
    _logs_internal,
    "_LOGGER_PROVIDER_SET_ONCE",
    _logs.get_logger_provider,
    _logs.set_logger_provider,
    _logs_internal.ProxyLoggerProvider,
    OwnLoggerProvider,
)
