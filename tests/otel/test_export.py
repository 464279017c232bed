"""What a request is built of holds whatever a span says."""

import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from spanwatch.otel.encode import span_body
from spanwatch.otel.export import request


@pytest.mark.parametrize(("given", "sent"), [(-1, 0), (0, 0), (7, 7), (2**64 - 1, 2**64 - 1), (2**70, 2**64 - 1)])
def test_a_time_that_protobuf_has_no_room_for_costs_neither_its_span_nor_another(given, sent):
    span = TracerProvider(shutdown_on_exit=False).get_tracer("s").start_span("x", start_time=given)
    span.add_event("early", timestamp=given)
    span.end(end_time=given)
    data, unfit = request("traces", {}, [json.loads(json.dumps(span_body(span, span.attributes)))] * 2)
    found = ExportTraceServiceRequest.FromString(data).resource_spans[0].scope_spans[0].spans
    assert (unfit, len(found)) == (0, 2)
    assert {found[0].start_time_unix_nano, found[0].end_time_unix_nano, found[0].events[0].time_unix_nano} == {sent}
