"""What users' tests, and ours, stand on: everything the code under test does with a model, in memory.

with capture() as captured:
    agent.run("hi")
captured.assert_no_errors()
captured.assert_tools_called("search")
captured.assert_cost_below("0.01")
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from spanwatch.core import names
from spanwatch.core.attributes import Totals, is_unpriced
from spanwatch.core.budgets import Budget
from spanwatch.core.budgets.declaration import distinct
from spanwatch.core.call import Call, CallStatus
from spanwatch.core.money import to_usd
from spanwatch.core.prices import PriceBook
from spanwatch.core.settings import Settings
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.budgets.gauges import Gauges
from spanwatch.otel.budgets.telling import Telling
from spanwatch.otel.frames import Frames
from spanwatch.otel.guard import Guard
from spanwatch.otel.pipeline import Pipeline
from spanwatch.otel.price_file import price_book
from spanwatch.otel.processor import CallProcessor
from spanwatch.otel.recorder import Recorder
from spanwatch.otel.setup import INSTANCE
from spanwatch.otel.standin import standing_in
from spanwatch.otel.switching import OwnTracerProvider
from spanwatch.otel.telemetry import Content, Telemetry
from spanwatch.otel.worker import Added, Worker
from spanwatch.store.ledger import MemoryLedger

__all__ = ["Captured", "capture"]

_DRAIN_S = 5.0


class Captured:
    """What was captured so far; may be read during the capture and after it, from any thread."""

    def __init__(self, settings: Settings, *, content: bool, budgets: Sequence[Budget]) -> None:
        self._guard, self._calls, self._open = Guard(), dict[str, Call](), True
        self._reader, self._exported = InMemoryMetricReader(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        nobody = Resource.get_empty()
        self._meters = MeterProvider([self._reader], resource=nobody, shutdown_on_exit=False)
        self._loggers = LoggerProvider(resource=nobody, shutdown_on_exit=False)
        self._loggers.add_log_record_processor(SimpleLogRecordProcessor(self._exported))
        self._worker = Worker(Recorder(self._meters.get_meter(names.SCOPE)), self._guard)
        book = price_book(settings)
        self._budgets = self._enforced(budgets, book) if budgets else None
        self._pipeline = Pipeline(
            book.price_call,
            self._worker,
            Frames(),
            self._guard,
            logger=lambda: self._loggers.get_logger(names.SCOPE),
            compat=settings.cost_attributes,
            content_on=content,
            observers=(self._see,),
            budgets=self._budgets,
        )
        self._kept = _Spans()
        self._processor = CallProcessor(self._pipeline, (self._kept,))
        self._provider = OwnTracerProvider(lambda _: None, sampler=ALWAYS_ON, resource=nobody, shutdown_on_exit=False)
        self._provider.add_span_processor(self._processor)
        self._content = Content(content, settings.content_max_bytes)
        self._measured: MetricsData | None = None

    @property
    def calls(self) -> list[Call]:
        """Every finished call once, in the order in which they ended; late usage is filled in."""
        self._worker.drain(_DRAIN_S)
        return list(self._calls.values())

    @property
    def total_usd(self) -> Decimal | None:
        """What all calls cost together, exact; None when one that may be billed has no known cost."""
        calls = self.calls
        if any(is_unpriced(call) for call in calls if call.operation != names.FETCH_RESPONSE):
            return None
        return to_usd(sum(call.cost.nano_usd or 0 for call in calls if call.cost is not None))

    @property
    def spans(self) -> list[dict[str, Any]]:
        """Finished spans as plain dicts, in the order in which they began.

        Keys: `id` (1, 2, 3 in that order), `name`, `kind` (`client`, ...), `parent` (an id, or None when it is not
        among those captured), `attributes`, `status` (`unset`, `ok` or `error`), `events` (`name`, `attributes`).
        """
        self._worker.drain(_DRAIN_S)
        return self._kept.listed()

    @property
    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """The points of spanwatch's own metrics by name: `attributes`, with `value`, or `count` and `sum`."""
        self._worker.drain(_DRAIN_S)
        found: dict[str, list[dict[str, Any]]] = {}
        data = self._reader.get_metrics_data() if self._open else self._measured
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = [_point(point) for point in metric.data.data_points]
        return found

    @property
    def logs(self) -> list[dict[str, Any]]:
        """Our own log events: `event`, `severity`, `body`, `attributes`, `span` (an id of `spans`, or None)."""
        return [_log(record, self._kept) for record in self._exported.get_finished_logs()]

    @property
    def tree(self) -> list[dict[str, Any]]:
        """The same spans as a tree: those without a parent here, each with `children`, all in the order of begin."""
        found = [{**span, "children": []} for span in self.spans]
        known = {span["id"]: span for span in found}
        for span in found:
            if span["parent"] in known:
                known[span["parent"]]["children"].append(span)
        return [span for span in found if span["parent"] not in known]

    def assert_cost_below(self, usd: Decimal | float | str) -> None:
        """Assert that all calls together cost less than `usd` dollars, and that what they cost is known.

        Raises:
            AssertionError: they cost as much or more, or the cost of one is unknown; names the calls.
        """
        calls = [call for call in self.calls if call.operation != names.FETCH_RESPONSE]
        unknown = [call for call in calls if is_unpriced(call)]
        if unknown:
            raise AssertionError(f"the cost of {len(unknown)} of {len(calls)} calls is unknown: {_listed(unknown)}")
        total = to_usd(sum(call.cost.nano_usd or 0 for call in calls if call.cost is not None))
        if not total < Decimal(str(usd)):
            dearest = sorted(calls, key=_nano, reverse=True)
            raise AssertionError(f"{len(calls)} calls cost {total} USD, not below {usd} USD: {_listed(dearest)}")

    def assert_no_errors(self) -> None:
        """Assert that no model call failed and no span has an error.

        Raises:
            AssertionError: names what failed.
        """
        failed = [span for span in self.spans if span["status"] == "error"]
        told = [f"{span['name']} ({span['attributes'].get(names.ERROR_TYPE, 'no error type')})" for span in failed]
        told += [f"call {_call(call)}" for call in self.calls if call.status is CallStatus.ERROR and not failed]
        if told:
            raise AssertionError(f"{len(told)} failed: {', '.join(told[:_MOST])}{_more(told)}")

    def assert_tools_called(self, *tools: str) -> None:
        """Assert that each of these tools was called at least once.

        Raises:
            AssertionError: names those that were not, and those that were.
        """
        called = Counter(
            str(span["attributes"].get(names.TOOL_NAME))
            for span in self.spans
            if span["attributes"].get(names.OPERATION_NAME) == names.EXECUTE_TOOL
        )
        missing = [tool for tool in tools if not called[tool]]
        if missing:
            were = ", ".join(f"{tool} ({times} x)" for tool, times in called.items()) or "none"
            raise AssertionError(f"not called: {', '.join(missing)}; tools called: {were}")

    def summary(self) -> dict[str, Any]:
        """Model calls, tokens and dollars in figures; None for what is not known of every call."""
        counted = [call for call in self.calls if call.operation in names.PRICED_OPERATIONS]
        totals, total = Totals(), self.total_usd
        for call in counted:
            totals.add(call)
        return {
            "calls": totals.calls,
            "errors": totals.errors,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "usd": None if total is None else f"{total:f}",
        }

    def _see(self, call: Call) -> None:
        if call.settles is not None:
            waiting = [known for known in list(self._calls.values()) if known.response_id == call.settles]
            for known in waiting:
                if known.usage is None and known.operation != names.FETCH_RESPONSE:
                    self._calls[known.call_id] = replace(known, usage=call.usage, cost=call.cost)
            call = replace(call, usage=None, cost=None)
        self._calls[call.call_id] = call

    def _enforced(self, budgets: Sequence[Budget], book: PriceBook) -> Enforcement:
        found = Enforcement(
            budgets,
            MemoryLedger(),
            book,
            self._guard,
            service=None,
            telling=Telling(budgets, lambda: self._loggers.get_logger(names.SCOPE), self._guard),
            count=lambda metric, amount, labels: self._worker.put(Added(metric, amount, labels)),
            home=None,
            instance=lambda: uuid.uuid4().hex,
            clock=time.time_ns,
        )
        self._gauges = Gauges(self._meters.get_meter(names.SCOPE), budgets, found.leading, own=True)
        return found

    def _telemetry(self) -> Telemetry:
        return Telemetry(
            tracer=lambda: self._provider.real(names.SCOPE),
            finish=self._pipeline.finish,
            defer=self._worker.defer,
            active=lambda: self._open,
            content=self._content,
            ask_usage=True,
            clock=time.time_ns,
            new_id=lambda: uuid.uuid4().hex,
            measure=self._worker.put,
            totals=self._pipeline.frames.totals,
            agent=self._pipeline.frames.agent,
            report_cost=self._pipeline.report_cost,
            restate_cost=self._pipeline.restate_cost,
            logger=lambda: self._loggers.get_logger(names.SCOPE),
            budgets=self._budgets,
        )

    def _end(self) -> None:
        if self._budgets is not None:
            self._budgets.close(_DRAIN_S)
        self._worker.stop(_DRAIN_S)
        self._measured = self._reader.get_metrics_data()
        self._open = False
        self._meters.shutdown()
        self._loggers.shutdown()


class _Spans(SpanProcessor):
    """Keeps spans and numbers them as they begin."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 (the SDK's signature)
        """Number it."""
        self._numbers.setdefault(span.get_span_context().span_id, len(self._numbers) + 1)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        self._ended.append(span)

    def number(self, span_id: int) -> int | None:
        """The number of a span, or None when it began outside."""
        return self._numbers.get(span_id)

    def listed(self) -> list[dict[str, Any]]:
        """The ended ones, by number."""
        found = [
            {
                "id": self.number(span.context.span_id),
                "name": span.name,
                "kind": span.kind.name.lower(),
                "parent": None if span.parent is None else self.number(span.parent.span_id),
                "attributes": _plain(span.attributes),
                "status": span.status.status_code.name.lower(),
                "events": [{"name": e.name, "attributes": _plain(e.attributes)} for e in span.events],
            }
            for span in list(self._ended)
            if span.context is not None
        ]
        return sorted(found, key=lambda span: span["id"] or 0)


@contextlib.contextmanager
def capture(*, content: bool = False, budgets: Sequence[Budget] = ()) -> Iterator[Captured]:
    """Capture every model call, span, metric and event of this process, in all its threads, while the block runs.

    It is real: the same call site, prices and pipeline as with `configure()`. It is apart: nothing is written or sent,
    whatever is configured; `configure()` and `shutdown()` in the code under test do nothing; afterwards all is as it
    was. Every trace is sampled.

    Args:
        content: Whether prompts and completions are on the spans.
        budgets: Those that are enforced meanwhile, each with nothing spent; those of the configuration are not.

    Raises:
        TypeError, ValueError: `budgets` are none, or two have one name.
        RuntimeError: a capture is active already; there can be one at a time in a process.
    """
    runtime = INSTANCE.runtime
    captured = Captured(Settings() if runtime is None else runtime.settings, content=content, budgets=distinct(budgets))
    with contextlib.ExitStack() as stack:
        stack.callback(captured._end)  # noqa: SLF001 (of this module)
        stack.enter_context(INSTANCE.diverted(captured._telemetry()))  # noqa: SLF001 (of this module)
        stack.enter_context(standing_in(captured._provider, captured._processor))  # noqa: SLF001 (of this module)
        yield captured


_MOST = 5  # calls that a message names


def _listed(calls: Sequence[Call]) -> str:
    return ", ".join(map(_call, calls[:_MOST])) + _more(calls)


def _more(items: Sequence[object]) -> str:
    return f" and {len(items) - _MOST} more" if len(items) > _MOST else ""


def _call(call: Call) -> str:
    cost = call.cost
    told = call.error_type or (cost.reason if cost is not None and cost.nano_usd is None else None)
    amount = "" if cost is None or cost.usd is None else f" {cost.usd} USD"
    model = call.response_model or call.request_model or "unknown model"
    return f"{call.operation} {model}{amount}{'' if told is None else f' ({told})'}"


def _nano(call: Call) -> int:
    return 0 if call.cost is None else call.cost.nano_usd or 0


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    found = dict(attributes or {})
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in found.items()
    }


def _point(point: Any) -> dict[str, Any]:
    amount = {"value": point.value} if hasattr(point, "value") else {"count": point.count, "sum": point.sum}
    return {"attributes": _plain(point.attributes), **amount}


def _log(record: ReadableLogRecord, spans: _Spans) -> dict[str, Any]:
    log = record.log_record
    return {
        "event": log.event_name,
        "severity": None if log.severity_number is None else log.severity_number.name,
        "body": log.body,
        "attributes": _plain(log.attributes),
        "span": spans.number(log.span_id) if log.span_id else None,
    }
