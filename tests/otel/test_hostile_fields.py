"""40 values that no telemetry should meet, in every field: nothing raises, and no other record of the batch is lost."""

import json
import time
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from spanwatch.core.records import unframe
from spanwatch.otel.clearing import Clearing
from spanwatch.otel.encode import Border, span_line
from spanwatch.otel.export import request
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal, Origin, line_of
from spanwatch.otel.processor import CallProcessor, LogProcessor
from tests.otel.rig import Rig, new_id, records


class Raises:
    def __str__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __repr__ = __str__
    __hash__ = object.__hash__


class Untyped:
    @property
    def __class__(self):
        raise RuntimeError("no class")


class Text(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError("no text")


class Number(int):
    def __int__(self):
        raise RuntimeError("no number")

    __index__ = __int__


class Thing(Enum):
    ONE = "one"


class Mapping(dict):
    def items(self):
        raise RuntimeError("no items")

    __iter__ = keys = items


def cycle(kind):
    found = kind()
    found.append(found) if kind is list else found.update(own=found)
    return found


def deep(levels, wrap):
    found = "end"
    for _ in range(levels):
        found = wrap(found)
    return found


VALUES = {
    "half a pair": "a\ud83d",
    "other half": "\udc00",
    "halves in a list": ["a\ud83d", "b"],
    "nul": "a\x00b",
    "control characters": "\x1b[31m\r\n\x07\u2028\u202e",
    "empty": "",
    "3 MB": "x" * 3_000_000,
    "3 MB beyond ASCII": "é" * 1_500_000,
    "70 MB": "y" * 70_000_000,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "2 to the 63rd": 1 << 63,
    "beyond minus": -(1 << 63) - 1,
    "2 to the 200th": 1 << 200,
    "an integer of 20,000 digits": 10**20_000,
    "bytes": b"\x00\xff",
    "5 MB of bytes": b"\xff" * 5_000_000,
    "bytearray": bytearray(b"abc"),
    "memoryview": memoryview(b"abc"),
    "none": None,
    "list of nones": [None, None],
    "mixed list": [1, "a", None, 1.5, b"x", [2]],
    "set": {1, 2},
    "cyclic list": cycle(list),
    "cyclic dict": cycle(dict),
    "5,000 lists deep": deep(5_000, lambda inner: [inner]),
    "5,000 dicts deep": deep(5_000, lambda inner: {"a": inner}),
    "100,000 items": list(range(100_000)),
    "100,000 keys": {str(number): number for number in range(100_000)},
    "odd keys": {1: "a", None: "b", (1, 2): "c", Raises(): "d"},
    "raises at its text": Raises(),
    "raises at its class": Untyped(),
    "text that raises": Text("text"),
    "number that raises": Number(7),
    "mapping that raises": Mapping(a=1),
    "exception": ValueError(Raises()),
    "enumeration": Thing.ONE,
    "decimal": Decimal("1.5"),
    "complex": 1 + 2j,
    "function": deep,
    "type": int,
    "generator": (number for number in range(3)),
}
CONTEXT = SpanContext(7, 8, False, TraceFlags(1))


def span(name="healthy", **fields):
    given = {"context": CONTEXT, "resource": Resource({}), "start_time": 1, "end_time": 2, **fields}
    return ReadableSpan(name, instrumentation_scope=InstrumentationScope("s"), **given)


def described(value):
    status = Status(StatusCode.ERROR)
    status._description = value
    return status


SPANS = {
    "name": span,
    "attribute": lambda value: span("bad", attributes={"good": 1, "bad": value}),
    "key": lambda value: span("bad", attributes={_hashable(value): 1, "good": 1}),
    "status": lambda value: span("bad", status=described(value)),
    "event name": lambda value: span("bad", events=[Event(value, {"a": 1}, 1)]),
    "event attribute": lambda value: span("bad", events=[_event(value)]),
    "link attribute": lambda value: span("bad", links=[_link(value)]),
}


def _hashable(value):
    try:
        hash(value)
    except Exception:  # noqa: BLE001 (what is asked raises whatever it likes)
        return repr(type(value))
    return value


def _event(value):
    event = Event("event", {}, 1)
    event._attributes = {"bad": value}
    return event


def _link(value):
    link = Link(CONTEXT, {})
    link._attributes = {"bad": value}
    return link


class Kept(list):
    """What a lane gets."""

    only_scope = None
    put = list.append

    def __bool__(self):
        return True

    def append(self, kind, body):
        self.put(line_of(kind, body))


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = Rig(tmp_path_factory.mktemp("home"))
    yield rig
    rig.close()


@pytest.mark.parametrize("field", SPANS)
@pytest.mark.parametrize("value", VALUES)
def test_a_span_with_it_is_kept_and_costs_no_other(rig, field, value):
    kept = Kept()
    processor = CallProcessor(rig.pipeline, lane=kept)
    for each in (span("first"), SPANS[field](VALUES[value]), span("last")):
        processor.on_end(each)
    bodies = [unframe(line[:-1]) for line in kept]
    assert len(bodies) == 3
    message, unfit = request("traces", {}, bodies)
    assert unfit == 0
    names = [each.name for each in ExportTraceServiceRequest.FromString(message).resource_spans[0].scope_spans[0].spans]
    assert (names[0], names[2]) == ("first", "last")
    json.dumps(bodies, allow_nan=False).encode()


@pytest.mark.parametrize("field", SPANS)
def test_by_the_stock_exporter_it_costs_no_other_either(field):
    clearing = Clearing(Border())
    for value in VALUES.values():
        batch = [clearing.span(each) for each in (span("first"), SPANS[field](value), span("last"))]
        spans = ExportTraceServiceRequest.FromString(encode_spans(batch).SerializeToString())
        assert len(spans.resource_spans[0].scope_spans[0].spans) == 3


LOGS = {
    "body": lambda value: {"body": value},
    "attribute": lambda value: {"attributes": {"good": 1, "bad": value}},
    "key": lambda value: {"attributes": {_hashable(value): 1, "good": 1}},
    "severity": lambda value: {"severity_text": value},
    "event": lambda value: {"event_name": value},
}


def record(body="healthy", **fields):
    log = LogRecord(timestamp=1, observed_timestamp=1, body=body)
    for name, value in fields.items():
        setattr(log, name, value)
    return SimpleNamespace(log_record=log, resource=Resource({}), instrumentation_scope=InstrumentationScope("l"))


@pytest.mark.parametrize("field", LOGS)
def test_a_log_record_with_it_is_kept_and_costs_no_other(field):
    for value in VALUES.values():
        kept, guard = Kept(), Guard()
        processor = LogProcessor(kept, guard)
        for each in (record("first"), record(**LOGS[field](value)), record("last")):
            processor.on_emit(each)
        bodies = [unframe(line[:-1]) for line in kept]
        message, unfit = request("logs", {}, bodies)
        assert (len(bodies), unfit, guard.failures.total()) == (3, 0, 0)
        told = ExportLogsServiceRequest.FromString(message).resource_logs[0].scope_logs[0].log_records
        assert (told[0].body.string_value, told[2].body.string_value) == ("first", "last")


@pytest.mark.parametrize("field", LOGS)
def test_a_log_record_with_it_goes_by_the_stock_exporter_too(field):
    clearing = Clearing(Border())
    for value in VALUES.values():
        given = (record("first"), record(**LOGS[field](value)), record("last"))
        batch = [clearing.log(ReadableLogRecord(*vars(each).values())) for each in given]
        message = ExportLogsServiceRequest.FromString(encode_logs(batch).SerializeToString())
        assert len(message.resource_logs[0].scope_logs[0].log_records) == 3


@pytest.mark.parametrize("value", VALUES)
def test_a_resource_with_it_costs_no_record(tmp_path, value):
    journal = Journal(tmp_path, Origin("s", None, lambda: {"good": 1, "bad": VALUES[value]}), new_id)
    assert journal.append("span", unframe(span_line(span(), {})[:-1]))
    journal.close()
    head, _ = records(tmp_path)
    assert head["resource"]["good"] == 1
    message, unfit = request("traces", head["resource"], [unframe(span_line(span(), {})[:-1])])
    assert unfit == 0
    assert ExportTraceServiceRequest.FromString(message).resource_spans[0].resource.attributes


@pytest.mark.parametrize("size", [1_000_000, 10_000_000])
@pytest.mark.parametrize("field", ["name", "attribute", "key", "status"])
@pytest.mark.parametrize("piece", ["x", "key: a\n", "sk-", "a@", "token:", "Note: the key point, and so on. "])
def test_a_huge_text_costs_the_caller_milliseconds(field, piece, size):
    each = SPANS[field]((piece * (size // len(piece) + 1))[:size])
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        span_line(each, each.attributes or {})
        best = min(best, time.process_time() - began)
    assert best < 0.025  # 5 ms where nobody else is at work
