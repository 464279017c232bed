"""The OpenAI Agents SDK: a tracing processor that turns its traces into spans of ours, beside its own exporter.

Model calls are seen at the client, below the agents and turns that make them; a model that another library calls, or
every model where nobody sees the client, has its span here.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context, attach, create_key, get_current, set_value
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span, set_span_in_context

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus
from spanwatch.core.dialects import provider_name
from spanwatch.core.errors import ConfigurationError
from spanwatch.otel.agents_data import (
    MODELS,
    PASSED,
    elsewhere_called,
    failure_of,
    model_of,
    plain_attributes,
    plain_name,
    scope_plan,
    tool_end,
    usage_of,
    workflow_plan,
)
from spanwatch.otel.distro import after_import
from spanwatch.otel.guard import Guard
from spanwatch.otel.openai.failures import error_type, status_of
from spanwatch.otel.setup import INSTANCE
from spanwatch.otel.spans.force import in_force
from spanwatch.otel.spans.kinds import Plan
from spanwatch.otel.spans.run import Run, begun

MODULE, DISTRIBUTION, INSTALL = "agents.tracing", "openai-agents", "pip install 'spanwatch[agents]'"
SUPPORTED = "openai-agents >= 0.20, < 0.30"
_TRACE = create_key("spanwatch-agents-trace")


@dataclass(slots=True)
class _Open:
    """An open span of the SDK: its run, or its plain span; the context in which it is current, and that before it."""

    context: Context
    before: Context
    handled: BaseException | None
    run: Run | None = None
    span: Span | None = None
    started_ns: int = 0


class AgentsProcessor:
    """Implements the SDK's `TracingProcessor`; nothing of it raises, and all of it may be called from any thread."""

    def __init__(self) -> None:
        self.on = True
        self.current_trace: Callable[[], Any] = lambda: None
        self._guard = Guard()
        self._open: dict[str, _Open] = {}  # no lock: each use is one step

    def on_trace_start(self, trace: Any) -> None:
        """A workflow begins."""
        if self.on:
            self._guard.run("starting a workflow", self._start_trace, trace)

    def on_trace_end(self, trace: Any) -> None:
        """It ends, as the exception says that leaves it."""
        self._guard.run("ending a workflow", self._end_trace, trace)

    def on_span_start(self, span: Any) -> None:
        """An agent, a tool, a turn, a handoff, a guardrail, a list of tools, a model call or a custom span begins."""
        if self.on:
            begin = self._resume if span.span_data.type in PASSED else self._start
            self._guard.run("starting a span of an agent", begin, span)

    def on_span_end(self, span: Any) -> None:
        """It ends."""
        self._guard.run("ending a span of an agent", self._end, span)

    def shutdown(self) -> None:
        """Nothing is held back."""

    def force_flush(self) -> None:
        """Nothing is held back."""

    def _start_trace(self, trace: Any) -> None:
        """Under its own key, for runs at once may share the id of a trace; what has that id looks there meanwhile."""
        key = _key(trace)
        self._begin(key, workflow_plan(trace), set_value(_TRACE, trace.trace_id))
        if key in self._open:
            self._open[trace.trace_id] = self._open[key]

    def _start(self, span: Any) -> None:
        data = span.span_data
        above = self._above(span)
        plan = scope_plan(data)
        if plan is not None:
            self._begin(span.span_id, plan, above)
        elif data.type in MODELS:
            if _sees_nobody(data):
                self._plain(
                    span.span_id, above, f"{names.CHAT} {model_of(data) or ''}".strip(), SpanKind.CLIENT, _asked(data)
                )
        else:
            self._plain(span.span_id, above, plain_name(data), SpanKind.INTERNAL, {})

    def _resume(self, span: Any) -> None:
        """Begin with its first span the workflow of a trace that goes on after its end, as an approved run does."""
        trace = self.current_trace() if self._around(span) is None else None
        if trace is not None and trace.trace_id == span.trace_id:
            self._begin(span.span_id, workflow_plan(trace), set_value(_TRACE, trace.trace_id))

    def _around(self, span: Any) -> _Open | None:
        return self._open.get(span.parent_id or "") or self._open.get(span.trace_id)

    def _above(self, span: Any) -> Context:
        """The context to begin in: the current one, unless the SDK knows better which span is around."""
        known, current = self._around(span), get_current()
        if known is None:
            return current
        inside = current.get(_TRACE) == span.trace_id and get_current_span(current).is_recording()
        return current if inside else known.context

    def _begin(self, key: str, plan: Plan, above: Context) -> None:
        before = get_current()
        run = begun(plan, context=above)
        if run is not None:
            self._keep(key, _Open(run.context, before, sys.exception(), run=run))

    def _plain(self, key: str, above: Context, name: str, kind: SpanKind, attributes: dict[str, Any]) -> None:
        telemetry, before = in_force(), get_current()
        at = telemetry.clock()
        span = telemetry.tracer().start_span(name, context=above, kind=kind, attributes=attributes, start_time=at)
        context = set_span_in_context(span, above)
        self._keep(key, _Open(context, before, sys.exception(), span=span, started_ns=at))

    def _keep(self, key: str, opened: _Open) -> None:
        self._open[key] = opened
        attach(opened.context)

    def _take(self, key: str) -> _Open | None:
        """What was open under this key, which is current no more."""
        opened = self._open.pop(key, None)
        if opened is not None and get_current_span() is get_current_span(opened.context):
            attach(opened.before)  # another task than the one that began it may end it: a token would not fit there
        return opened

    def _end_trace(self, trace: Any) -> None:
        opened = self._take(_key(trace))
        if opened is None:
            return
        if self._open.get(trace.trace_id) is opened:
            del self._open[trace.trace_id]
        if opened.run is not None:
            _finish(opened.run, _left_by(opened))

    def _end(self, span: Any) -> None:
        opened = self._take(span.span_id)
        if opened is None:
            return
        error, failure = _left_by(opened), failure_of(span)
        content = in_force().content.on
        if opened.run is not None:
            if span.span_data.type == "function":
                opened.run.span.set_attributes(tool_end(span.span_data, content=content))
            if error is None and failure is not None:
                _mark(opened.run.span, failure, content=content)
            _finish(opened.run, error)
        elif opened.span is not None and span.span_data.type in MODELS:
            _finish_call(opened, span, error)
        elif opened.span is not None:
            opened.span.set_attributes(plain_attributes(span.span_data, content=content))
            if failure is not None:
                _mark(opened.span, failure, content=content)
            opened.span.end(in_force().clock())


class AgentsInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # its package is not typed
    """Adds our processor to the SDK's; those that are there, its vendor's exporter among them, stay as they are."""

    _processor: AgentsProcessor | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of the SDK that are supported."""
        return (SUPPORTED,)

    def _instrument(self, **_: Any) -> None:
        if not is_installed():
            raise ModuleNotFoundError(f"the OpenAI Agents SDK is not installed: {INSTALL}", name=DISTRIBUTION)
        if self._processor is None:  # the class is a singleton
            self._processor = AgentsProcessor()
            after_import(MODULE, self._add)
        self._processor.on = True

    def _add(self) -> None:
        tracing, processor = importlib.import_module(MODULE), self._processor
        if processor is not None:
            processor.current_trace = tracing.get_current_trace
            tracing.add_trace_processor(processor)

    def _uninstrument(self, **_: Any) -> None:
        """The SDK takes no processor out again: ours stays and does nothing."""
        if self._processor is not None:
            self._processor.on = False


def start_agents() -> None:
    """Trace the SDK's runs.

    Raises:
        ConfigurationError: it is not installed.
    """
    if not is_installed():
        raise ConfigurationError(f"setting agents=True needs the OpenAI Agents SDK: {INSTALL}")
    instrumentor = AgentsInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(skip_dep_check=True)


def is_installed() -> bool:
    """Whether the SDK is, and not another module of its name."""
    try:
        importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def stop_agents() -> None:
    """Trace them no more."""
    instrumentor = AgentsInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def _key(trace: Any) -> str:
    return f"trace at {id(trace)}"


def _sees_nobody(data: Any) -> bool:
    """Whether no engine sees this call."""
    runtime = INSTANCE.runtime
    return elsewhere_called(data) or (runtime is not None and runtime.settings.openai == "none")


def _asked(data: Any) -> dict[str, Any]:
    model = model_of(data)
    found = {names.OPERATION_NAME: names.CHAT, names.PROVIDER_NAME: _provider(model)}
    return found if model is None else {**found, names.REQUEST_MODEL: model}


def _provider(model: str | None) -> str:
    """By the route in front of a model's name, such as `anthropic/claude-sonnet-4-5`."""
    route, parted, _ = (model or "").removeprefix("litellm/").partition("/")
    return provider_name(route) if parted else names.PROVIDER_OTHER


def _left_by(opened: _Open) -> BaseException | None:
    """The exception that leaves a span, but not one that the application was handling before it began."""
    error = sys.exception()
    return None if error is opened.handled else error


def _finish(run: Run, error: BaseException | None) -> None:
    if error is None:
        run.succeeded()
    else:
        run.failed(error)


def _mark(span: Span, failure: tuple[str, str], *, content: bool) -> None:
    kind, text = failure
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(StatusCode.ERROR, text if content else None)


def _named(error: BaseException | None) -> str:
    return names.ERROR_OTHER if error is None else error_type(error)


def _finish_call(opened: _Open, span: Any, error: BaseException | None) -> None:
    """The end of a call that is seen nowhere else."""
    telemetry, data, otel = in_force(), span.span_data, opened.span
    if otel is None:
        return
    failed, stated = failure_of(span) is not None, model_of(data)
    model = None if stated is None else stated.removeprefix("litellm/").rpartition("/")[2]
    if data.type == "response" and model is not None:
        otel.update_name(f"{names.CHAT} {model}")
    status = status_of(error) if error is not None else CallStatus.ERROR if failed else CallStatus.OK
    own, around = otel.get_span_context(), get_current_span(opened.before).get_span_context()
    call = Call(
        telemetry.new_id(),
        names.CHAT,
        opened.started_ns,
        max(telemetry.clock(), opened.started_ns),
        status=status,
        provider=_provider(stated),
        request_model=model if data.type == "generation" else None,
        response_model=model if data.type == "response" else None,
        response_id=getattr(getattr(data, "response", None), "id", None),
        usage=usage_of(data),
        error_type=None if status is CallStatus.OK else _named(error),
        trace_id=f"{own.trace_id:032x}" if own.is_valid else None,
        span_id=f"{own.span_id:016x}" if own.is_valid else None,
        parent_span_id=f"{around.span_id:016x}" if around.is_valid else None,
        sampled=own.trace_flags.sampled,
    )
    telemetry.finish(otel, call)
