"""The quick way to a span's journal record says byte for byte what the thorough one says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState
from opentelemetry.trace import set_span_in_context as inside

from spanwatch.core.records import frame, unframe
from spanwatch.core.sanitise import plain
from spanwatch.otel.encode import span_body, span_line

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.lists(TEXT, max_size=3))


def ended(name="invoke_agent x", attributes=None, *, change=lambda _span: None, **more):
    tracer = TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits(max_attributes=8)).get_tracer("s", "1", "u")
    span = tracer.start_span(name, attributes=attributes, **more)
    change(span)
    span.end()
    return span


def same(span):
    line = span_line(span, plain(span.attributes or {}))
    assert line == frame("span", span_body(span, span.attributes))
    return unframe(line.rstrip(b"\n"))


@given(TEXT, st.dictionaries(TEXT, VALUES, max_size=10))
def test_of_any_name_and_attributes(name, attributes):
    assert same(ended(name, attributes))["k"] == "span"


@pytest.mark.parametrize(
    "change",
    [
        lambda span: span.add_event("e", {"a": 1}),
        lambda span: span.set_status(StatusCode.ERROR, "why"),
        lambda span: span.set_status(StatusCode.OK),
        lambda span: span.set_attribute("url.full", "http://127.0.0.1/v1"),
        lambda span: span.set_attribute("url.full", "http://name:word@127.0.0.1/v1"),
        lambda span: span.set_attributes({f"k{n}": n for n in range(9)}),
        lambda span: span.set_attribute("long", "x" * 2_000),
    ],
)
def test_of_what_is_more_than_attributes(change):
    same(ended(change=change))


def test_of_parents_kinds_links_and_trace_states():
    around = SpanContext(3, 4, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "b")]))
    body = same(ended(context=inside(NonRecordingSpan(around)), kind=SpanKind.CLIENT, links=[Link(around, {"x": 1})]))
    assert (body["p"], body["ts"], body["kd"]) == (f"{4:016x}", "a=b", SpanKind.CLIENT.value)
    plain_parent = same(
        ended(context=inside(NonRecordingSpan(SpanContext(3, 4, is_remote=False, trace_flags=TraceFlags(1)))))
    )
    assert plain_parent["p"] == f"{4:016x}"


def test_it_is_json_that_a_reader_takes():
    body = same(ended("é \n \x00", {"quoted": '"\\'}))
    assert json.loads(json.dumps(body))["a"] == {"quoted": '"\\'}
