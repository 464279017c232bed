import logging

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanwatch.otel.doubles import dropped
from spanwatch.otel.providers import LOGS, METRICS, TRACES
from spanwatch.otel.switching import OwnLoggerProvider, OwnMeterProvider, OwnTracerProvider

pytestmark = pytest.mark.usefixtures("no_providers")


def spans_into(provider):
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return lambda: [span.name for span in exporter.get_finished_spans()]


def sums(reader):
    data = reader.get_metrics_data()
    return {
        metric.name: metric.data.data_points[0].value
        for resource in ([] if data is None else data.resource_metrics)
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def ignore(_provider):
    pass


def test_without_a_provider_none_exists():
    assert TRACES.existing() is METRICS.existing() is LOGS.existing() is None


def test_the_provider_of_the_application_exists():
    providers = TracerProvider(shutdown_on_exit=False), MeterProvider(shutdown_on_exit=False), LoggerProvider()
    trace.set_tracer_provider(providers[0])
    metrics.set_meter_provider(providers[1])
    _logs.set_logger_provider(providers[2])
    assert (TRACES.existing(), METRICS.existing(), LOGS.existing()) == providers


def test_ours_is_global_and_counts_as_none():
    ours = OwnTracerProvider(ignore, shutdown_on_exit=False)
    TRACES.offer(ours)
    assert trace.get_tracer_provider() is ours
    assert TRACES.existing() is None


def test_a_provider_set_later_takes_over_without_a_warning_and_once(caplog):
    taken = []
    ours = OwnTracerProvider(taken.append, shutdown_on_exit=False)
    TRACES.offer(ours)
    theirs, third = TracerProvider(shutdown_on_exit=False), TracerProvider(shutdown_on_exit=False)
    with caplog.at_level(logging.WARNING):
        trace.set_tracer_provider(theirs)
    assert trace.get_tracer_provider() is theirs
    assert taken == [theirs]
    assert caplog.messages == []
    trace.set_tracer_provider(third)
    assert trace.get_tracer_provider() is theirs
    assert caplog.messages == ["Overriding of current TracerProvider is not allowed"]
    assert taken == [theirs]


def test_tracers_got_before_and_from_ours_go_over_and_lose_nothing():
    first = trace.get_tracer("before us")
    ours = OwnTracerProvider(ignore, shutdown_on_exit=False)
    seen_by_us = spans_into(ours)
    TRACES.offer(ours)
    second = trace.get_tracer("from us", "1.0", attributes={"k": "v"})

    @second.start_as_current_span("decorated")
    def decorated():
        pass

    first.start_span("a").end()
    open_span = second.start_span("open across")
    decorated()
    theirs = TracerProvider(shutdown_on_exit=False)
    seen_by_them = spans_into(theirs)
    trace.set_tracer_provider(theirs)
    first.start_span("c").end()
    with second.start_as_current_span("d") as span:
        assert span.instrumentation_scope.attributes == {"k": "v"}
        decorated()
    open_span.end()
    ours.get_tracer("late, from ours itself").start_span("e").end()
    assert seen_by_us() == ["a", "decorated", "open across"]
    assert seen_by_them() == ["c", "decorated", "d", "e"]


def test_a_tracer_of_ours_shows_what_the_real_one_has():
    ours = OwnTracerProvider(ignore, shutdown_on_exit=False)
    assert ours.get_tracer("x").resource is ours.resource


def test_instruments_got_before_and_from_ours_go_over():
    first = metrics.get_meter("before us").create_counter("first")
    reader = InMemoryMetricReader()
    ours = OwnMeterProvider(ignore, metric_readers=[reader], shutdown_on_exit=False)
    METRICS.offer(ours)
    meter = metrics.get_meter("from us")
    second = meter.create_counter("second")
    meter.create_observable_gauge("third", [lambda _options: [Observation(7)]])
    assert meter is metrics.get_meter("from us")
    first.add(1)
    second.add(2)
    assert sums(reader) == {"first": 1, "second": 2, "third": 7}
    their_reader = InMemoryMetricReader()
    theirs = MeterProvider(metric_readers=[their_reader], shutdown_on_exit=False)
    metrics.set_meter_provider(theirs)
    first.add(10)
    second.add(20)
    meter.create_counter("fourth").add(40)
    assert sums(their_reader) == {"first": 10, "second": 20, "third": 7, "fourth": 40}
    assert sums(reader) == {"first": 1, "second": 2, "third": 7}
    ours.shutdown()
    theirs.shutdown()


def test_loggers_of_ours_go_over():
    ours, theirs = OwnLoggerProvider(ignore, shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    kept = {}
    for name, provider in (("ours", ours), ("theirs", theirs)):
        kept[name] = InMemoryLogRecordExporter()
        provider.add_log_record_processor(SimpleLogRecordProcessor(kept[name]))
    LOGS.offer(ours)
    logger = _logs.get_logger("from us")
    assert logger.enabled()
    logger.emit(body="one")
    _logs.set_logger_provider(theirs)
    logger.emit(body="two")
    bodies = {name: [r.log_record.body for r in exporter.get_finished_logs()] for name, exporter in kept.items()}
    assert bodies == {"ours": ["one"], "theirs": ["two"]}


def test_ours_may_be_replaced_by_ours_again_and_again():
    tracer = trace.get_tracer("app")
    for number in range(3):
        ours = OwnTracerProvider(ignore, shutdown_on_exit=False)
        seen = spans_into(ours)
        TRACES.offer(ours)
        tracer.start_span(f"span {number}").end()
        assert seen() == [f"span {number}"]
        assert not hasattr(tracer._tracer.inner, "inner"), "one hop, however often it was replaced"
    theirs = TracerProvider(shutdown_on_exit=False)
    seen = spans_into(theirs)
    trace.set_tracer_provider(theirs)
    tracer.start_span("theirs").end()
    assert seen() == ["theirs"]


def test_a_failure_while_joining_does_not_reach_the_application(caplog):
    def fail(_provider):
        raise RuntimeError("no")

    TRACES.offer(OwnTracerProvider(fail, shutdown_on_exit=False))
    theirs = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(theirs)
    assert trace.get_tracer_provider() is theirs
    assert caplog.messages == ["spanwatch: joining TracerProvider failed with RuntimeError"]


def test_metrics_that_other_instrumentations_make_of_the_same_calls_are_dropped(tmp_path):
    reader = InMemoryMetricReader()
    provider = OwnMeterProvider(lambda _: None, metric_readers=[reader], views=dropped(), shutdown_on_exit=False)
    for scope in ("opentelemetry.instrumentation.openai.v1", "opentelemetry.instrumentation.genai.openai"):
        meter = provider.get_meter(scope)
        meter.create_histogram("gen_ai.client.token.usage").record(1)
        meter.create_histogram("gen_ai.client.operation.duration").record(1)
        meter.create_counter("gen_ai.client.generation.choices").add(1)
    provider.get_meter("the.application").create_histogram("gen_ai.client.operation.duration").record(1)
    found = {
        (scope.scope.name, metric.name)
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found == {
        ("opentelemetry.instrumentation.openai.v1", "gen_ai.client.generation.choices"),
        ("opentelemetry.instrumentation.genai.openai", "gen_ai.client.generation.choices"),
        ("the.application", "gen_ai.client.operation.duration"),
    }
