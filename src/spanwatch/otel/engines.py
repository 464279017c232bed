"""The engines that see calls of the OpenAI client: our call site, OpenLLMetry's, or none."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator

from opentelemetry.metrics import NoOpMeterProvider

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.settings import Settings
from spanwatch.otel.coverage import expected
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.status import Instrumented
from spanwatch.otel.telemetry import Telemetry

_THEIR_CONTENT = "TRACELOOP_TRACE_CONTENT"


def start_engine(settings: Settings, telemetry: Telemetry) -> Instrumented:
    """Instrument the OpenAI client with the engine of the settings; one that runs already is not doubled.

    Raises:
        ConfigurationError: the engine's package is not installed.
    """
    found = expected(settings)
    if found.phrase is None:
        return found
    if settings.openai == "openllmetry":
        _start_openllmetry(settings)
    else:
        OpenAIInstrumentor().instrument(telemetry=telemetry, skip_dep_check=True)
    return found


def stop_engine(settings: Settings) -> None:
    """Take our call site out again. OpenLLMetry's wrappers cannot be: they stay, and we look at their spans no more."""
    ours = OpenAIInstrumentor()
    if settings.openai == "spanwatch" and ours.is_instrumented_by_opentelemetry:
        ours.uninstrument()


def finish_open() -> None:
    """End the calls of our call site that are still open; for the end of the process."""
    OpenAIInstrumentor().finish_open()


@contextlib.contextmanager
def diverted(engine: str, telemetry: Telemetry) -> Iterator[None]:
    """Let our call site report there meanwhile, where it is the engine; the client may be missing."""
    if engine != "spanwatch" or importlib.util.find_spec("openai") is None:
        yield
        return
    site = OpenAIInstrumentor()._site  # noqa: SLF001 (of this room)
    on = OpenAIInstrumentor().is_instrumented_by_opentelemetry
    before = site._telemetry if site is not None and on else None  # noqa: SLF001 (of this room)
    _report_to(telemetry)
    try:
        yield
    finally:
        _report_to(before)


def _report_to(telemetry: Telemetry | None) -> None:
    ours = OpenAIInstrumentor()
    if ours.is_instrumented_by_opentelemetry:
        ours.uninstrument()
    if telemetry is not None:
        ours.instrument(telemetry=telemetry, skip_dep_check=True)


def _start_openllmetry(settings: Settings) -> None:
    """With the content setting of ours, without its metrics, its headers in requests and a second set of wrappers."""
    try:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor as Theirs  # noqa: PLC0415 (an extra)
    except ImportError:
        raise ConfigurationError(
            "setting openai='openllmetry' needs its package: pip install 'spanwatch[openllmetry]'"
        ) from None
    os.environ[_THEIR_CONTENT] = "true" if settings.content else "false"
    theirs = Theirs(enable_trace_context_propagation=False)
    if not theirs.is_instrumented_by_opentelemetry:
        theirs.instrument(meter_provider=NoOpMeterProvider(), skip_dep_check=True)
