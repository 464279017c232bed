"""What a span holds, read at once."""

from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from spanwatch.otel import held as module
from spanwatch.otel.held import Held, attributes_of, dropped, held, hex_of, scope_name, scope_of
from spanwatch.otel.rebuilt import Rebuilt

LINK = Link(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1)))


class Kept(SpanProcessor):
    def __init__(self):
        self.spans = []

    def on_end(self, span):
        self.spans.append(span)


@pytest.fixture
def spans():
    kept = Kept()
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=2), shutdown_on_exit=False)
    provider.add_span_processor(kept)
    tracer = provider.get_tracer("a scope", "1.0", "https://schema")
    with tracer.start_as_current_span("outer"):
        span = tracer.start_span("inner", kind=SpanKind.CLIENT, links=[LINK], attributes={"a": 1, "b": 2, "c": 3})
        span.add_event("seen", {"x": 1})
        span.set_status(StatusCode.ERROR, "wrong")
        span.end()
    return [*kept.spans, Rebuilt(kept.spans[0], {"a": 1})]


def test_each_field_is_what_the_property_says(spans):
    for span in spans:
        found = held(span)
        assert dict(found.attributes) == dict(span.attributes)
        assert tuple(found.events) == span.events
        assert tuple(found.links) == span.links
        for field, name in {
            "context": "context",
            "parent": "parent",
            "scope": "instrumentation_scope",
            "name": "name",
            "started_ns": "start_time",
            "ended_ns": "end_time",
            "kind": "kind",
            "status": "status",
        }.items():
            assert getattr(found, field) is getattr(span, name)


def test_the_sdk_in_use_has_the_fields_so_that_no_property_is_asked(spans, monkeypatch):
    monkeypatch.setattr(module, "_said", lambda _span: pytest.fail("a property was asked"))
    assert held(spans[0]).name == "inner"


def test_a_span_without_the_fields_is_asked_by_its_properties(spans):
    names = ("context", "parent", "attributes", "instrumentation_scope", "name", "start_time", "end_time")
    stranger = SimpleNamespace(
        **{name: getattr(spans[0], name) for name in (*names, "events", "links", "kind", "status")}
    )
    assert held(stranger) == Held(*(getattr(stranger, name) for name in (*names, "events", "links", "kind", "status")))


def test_attributes_are_a_copy(spans):
    found = attributes_of(spans[0])
    found["more"] = 1
    assert "more" not in spans[0].attributes
    assert attributes_of(ReadableSpan("bare")) == {}


def test_what_was_lost_to_limits_is_told_of_copies_too(spans):
    assert dropped(spans[0]) == (1, 0, 0) == dropped(spans[-1])
    assert dropped(spans[1]) == (0, 0, 0)
    assert dropped(ReadableSpan("bare", attributes={"a": 1})) == (0, 0, 0)


@pytest.mark.parametrize("ids", [(1, 2), (2**128 - 1, 2**64 - 1), (0xABC << 100, 0xDEF), (2**130, 2**70)])
def test_ids_are_written_in_hex_whatever_made_them(ids):
    assert hex_of(SpanContext(*ids, is_remote=False)) == (f"{ids[0]:032x}", f"{ids[1]:016x}")


def test_a_scope_is_its_name_version_and_schema():
    assert scope_of(InstrumentationScope("s", "1", "u")) == ("s", "1", "u")
    assert scope_of(SimpleNamespace(name="s", version=None, schema_url="")) == ("s", None, "")


def test_the_name_of_a_scope_is_empty_where_there_is_none(spans):
    assert scope_name(spans[0]) == "a scope"
    assert scope_name(ReadableSpan("bare")) == scope_name(SimpleNamespace(instrumentation_scope=None)) == ""
