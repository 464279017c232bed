"""Export: every line is OTLP JSON as the protocol's own parser reads it, and nothing is lost or changed on the way."""

import base64
import json

import pytest
from google.protobuf import json_format
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from spanwatch.store.otlp import export, value, without_span
from spanwatch.store.projection import project
from tests.store.rig import SECOND, START_NS, call, keep, span

TRACE, SPAN, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00f067aa0ba902b8"


def exported(home, **records):
    options = {name: records.pop(name) for name in ("resource", "service") if name in records}
    keep(home, *records.pop("calls", ()), **records, **options)
    project(home)
    return [json.loads(line) for line in export(home)]


def parsed(request, kind):
    """The request as protobuf; hex ids become base64 first, which is the only difference of OTLP's JSON."""
    return json_format.ParseDict(_ids(request), kind())


def _ids(found):
    if isinstance(found, list):
        return [_ids(each) for each in found]
    if not isinstance(found, dict):
        return found
    names = {"traceId", "spanId", "parentSpanId"}
    return {
        name: base64.b64encode(bytes.fromhex(each)).decode() if name in names else _ids(each)
        for name, each in found.items()
    }


def test_a_span_is_exported_whole(tmp_path):
    body = span(
        t=TRACE, s=SPAN, p=PARENT, kd=2, fl=1, ts="vendor=x", st=[2, "boom"], d=[1, 2, 3], sc=["lib", "1.2", "https://s"],
        a={"text": "ä", "n": 5, "big": 1 << 62, "f": 0.5, "b": True, "none": None, "list": ["a", "b"], "ints": [1, 2]},
        ev=[["exception", START_NS + 5, {"exception.type": "ValueError"}]], l=[[TRACE, PARENT, {"why": "retry"}]],
    )  # fmt: skip
    (request,) = exported(tmp_path, spans=[body], resource={"service.name": "shop", "process.pid": 7})
    assert request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["kind"] == 3
    assert request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["startTimeUnixNano"] == str(START_NS)
    (of_resource,) = parsed(request, TracesData).resource_spans
    assert {pair.key for pair in of_resource.resource.attributes} == {"service.name", "process.pid"}
    (of_scope,) = of_resource.scope_spans
    assert (of_scope.scope.name, of_scope.scope.version, of_scope.schema_url) == ("lib", "1.2", "https://s")
    (found,) = of_scope.spans
    assert (found.trace_id.hex(), found.span_id.hex(), found.parent_span_id.hex()) == (TRACE, SPAN, PARENT)
    assert (found.name, found.kind, found.flags, found.trace_state) == (
        "chat gpt-4o",
        Span.SPAN_KIND_CLIENT,
        1,
        "vendor=x",
    )
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (START_NS, START_NS + SECOND)
    assert (found.status.code, found.status.message) == (2, "boom")
    assert (found.dropped_attributes_count, found.dropped_events_count, found.dropped_links_count) == (1, 2, 3)
    values = {pair.key: pair.value for pair in found.attributes}
    assert (values["text"].string_value, values["n"].int_value, values["big"].int_value) == ("ä", 5, 1 << 62)
    assert (values["f"].double_value, values["b"].bool_value, values["none"].WhichOneof("value")) == (0.5, True, None)
    assert [each.int_value for each in values["ints"].array_value.values] == [1, 2]
    assert (found.events[0].name, found.events[0].time_unix_nano) == ("exception", START_NS + 5)
    assert (found.links[0].trace_id.hex(), found.links[0].span_id.hex()) == (TRACE, PARENT)


def test_a_log_is_exported_whole(tmp_path):
    body = {
        "ts": START_NS, "ots": START_NS + 1, "t": TRACE, "s": SPAN, "sev": 17, "sevt": "ERROR", "ev": "it.happened",
        "body": {"deep": [1, None]}, "a": {"k": "v"}, "sc": ["lib", None, None],
    }  # fmt: skip
    (request,) = exported(tmp_path, logs=[body])
    (found,) = parsed(request, LogsData).resource_logs[0].scope_logs[0].log_records
    assert (found.time_unix_nano, found.observed_time_unix_nano) == (START_NS, START_NS + 1)
    assert (found.severity_number, found.severity_text, found.event_name) == (17, "ERROR", "it.happened")
    assert (found.trace_id.hex(), found.span_id.hex()) == (TRACE, SPAN)
    assert found.body.kvlist_value.values[0].value.array_value.values[0].int_value == 1


def test_each_line_holds_one_process_and_at_most_a_hundred_spans_by_scope(tmp_path):
    scopes = [["one", None, None], ["two", None, None]]
    keep(tmp_path, spans=[span(sc=scopes[n % 2]) for n in range(250)], resource={"service.name": "a"})
    requests = exported(tmp_path, spans=[span()], resource={"service.name": "b"})
    assert len(requests) == 4
    for request in requests:
        (of_resource,) = request["resourceSpans"]
        assert sum(len(scope["spans"]) for scope in of_resource["scopeSpans"]) <= 100
        parsed(request, TracesData)
    names = [scope["scope"]["name"] for scope in requests[0]["resourceSpans"][0]["scopeSpans"]]
    assert names == ["one", "two"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (float("nan"), {"doubleValue": "NaN"}),
        (float("-inf"), {"doubleValue": "-Infinity"}),
        ("\ud800", {"stringValue": "?"}),
        ({"$bytes": "AAE="}, {"bytesValue": "AAE="}),
        ([], {"arrayValue": {"values": []}}),
        ({}, {"kvlistValue": {"values": []}}),
        (-1, {"intValue": "-1"}),
    ],
)
def test_odd_values_are_what_the_protocol_has_for_them(item, expected):
    assert value(item) == expected


def test_a_window_is_honoured_and_calls_without_a_span_are_counted(tmp_path):
    sampled = span(t=TRACE, s=SPAN)
    calls = [call(trace_id=TRACE, span_id=SPAN), call(sampled=False)]
    keep(tmp_path, *calls, spans=[sampled, span(b=START_NS + 9 * SECOND, e=START_NS + 10 * SECOND)])
    project(tmp_path)
    (line,) = export(tmp_path, until_ns=START_NS + 5 * SECOND)
    assert [found["spanId"] for found in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]] == [SPAN]
    assert without_span(tmp_path) == 1
