"""The engines that see calls of the OpenAI client: our call site, another package, or none."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.settings import Settings
from spanwatch.otel.coverage import ENGINES, expected
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.openinference import discreet_config
from spanwatch.otel.status import Instrumented
from spanwatch.otel.telemetry import Telemetry

_THEIR_CONTENT = "TRACELOOP_TRACE_CONTENT"
_GENAI_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_GENAI_ON = frozenset({"span_only", "event_only", "span_and_event"})


def start_engine(settings: Settings, telemetry: Telemetry) -> Instrumented:
    """Instrument the OpenAI client with the engine of the settings; one that runs already is not doubled.

    Raises:
        ConfigurationError: the engine's package is not installed.
    """
    found = expected(settings)
    if settings.openai == "none" or importlib.util.find_spec("openai") is None:
        return found
    if settings.openai in _STARTERS:
        start = _starter(settings)
        if telemetry.budgets is not None:  # first: OpenInference calls what it finds in its place, now and ever after
            OpenAIInstrumentor().instrument(telemetry=telemetry, guard=True, skip_dep_check=True)
        start()
    else:
        OpenAIInstrumentor().instrument(telemetry=telemetry, skip_dep_check=True)
    return found


def stop_engine(settings: Settings) -> None:
    """Take our call site or guard out, and OpenInference, which comes out whole. Others stay, and nobody listens."""
    ours = OpenAIInstrumentor()
    if settings.openai == "openinference":
        _stop_openinference()
    if settings.openai != "none" and ours.is_instrumented_by_opentelemetry:
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


def _starter(settings: Settings) -> Callable[[], None]:
    """With the content setting of ours and without its metrics; one that runs already stays as it is."""
    name = settings.openai
    try:
        return _STARTERS[name](settings.content)
    except ImportError:
        extra = ENGINES[name].extra
        raise ConfigurationError(
            f"setting openai={name!r} needs its package: pip install 'spanwatch[{extra}]'"
        ) from None


def _openllmetry(content: bool) -> Callable[[], None]:
    """Also without its headers in requests."""
    module = importlib.import_module("opentelemetry.instrumentation.openai")
    os.environ[_THEIR_CONTENT] = "true" if content else "false"
    theirs = module.OpenAIInstrumentor(enable_trace_context_propagation=False)
    return lambda: _instrument(theirs, meter_provider=NoOpMeterProvider())


def _genai(content: bool) -> Callable[[], None]:
    module = importlib.import_module("opentelemetry.instrumentation.genai.openai")
    if not content:
        os.environ[_GENAI_CONTENT] = "no_content"
    elif os.environ.get(_GENAI_CONTENT, "").strip().lower() not in _GENAI_ON:
        os.environ[_GENAI_CONTENT] = "span_only"
    return lambda: _instrument(module.OpenAIInstrumentor(), meter_provider=NoOpMeterProvider())


def _openinference(content: bool) -> Callable[[], None]:
    """It makes no metrics."""
    module = importlib.import_module("openinference.instrumentation.openai")
    config = discreet_config(content=content)
    return lambda: _instrument(module.OpenAIInstrumentor(), config=config)


def _stop_openinference() -> None:
    """And what it leaves on the client, which would stand in front of what we put in later."""
    with contextlib.suppress(ImportError):
        theirs = importlib.import_module("openinference.instrumentation.openai").OpenAIInstrumentor()
        if theirs.is_instrumented_by_opentelemetry:
            theirs.uninstrument()
            openai = importlib.import_module("openai")
            for client in (openai.OpenAI, openai.AsyncOpenAI):
                if "request" in vars(client):
                    del client.request


def _instrument(theirs: Any, **options: Any) -> None:
    if not theirs.is_instrumented_by_opentelemetry:
        theirs.instrument(skip_dep_check=True, **options)


_STARTERS: dict[str, Callable[[bool], Callable[[], None]]] = {
    "openllmetry": _openllmetry,
    "genai": _genai,
    "openinference": _openinference,
}
