"""Scopes work before configure(), between, and after shutdown(), and on whatever provider there is."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanwatch
from spanwatch.otel.setup import INSTANCE
from spanwatch.testing import capture

pytestmark = pytest.mark.usefixtures("no_providers")


@spanwatch.tool("search")
def search(query):
    return query


@pytest.fixture
def theirs():
    """The application's own providers."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    yield exporter, reader
    tracers.shutdown()
    meters.shutdown()


def test_with_no_provider_at_all_the_code_runs_and_nothing_is_said(caplog):
    with spanwatch.request(user_id="u-1"), spanwatch.agent("planner") as span:
        assert not span.is_recording()
        assert search("x") == "x"
    assert caplog.records == []


def test_before_configure_spans_and_metrics_go_to_the_global_providers(theirs):
    exporter, reader = theirs
    assert INSTANCE.telemetry is None
    with spanwatch.request(user_id="u-1", app_version="1"), spanwatch.agent("planner"):
        search("x")
    tool, agent, request = exporter.get_finished_spans()
    assert (tool.name, agent.name, request.name) == ("execute_tool search", "invoke_agent planner", "request")
    assert tool.parent.span_id == agent.context.span_id
    assert tool.attributes["user.id"] == "u-1"
    assert tool.attributes["gen_ai.agent.name"] == "planner"
    found = {
        metric.name
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found == {"gen_ai.execute_tool.duration", "gen_ai.invoke_agent.duration", "spanwatch.request.duration"}


def test_before_configure_a_dropped_generator_ends_with_the_next_scope(theirs):
    exporter, _ = theirs

    @spanwatch.agent("streamer")
    def stream():
        yield 1
        yield 2

    next(stream())
    gc.collect()
    assert exporter.get_finished_spans() == ()
    search("x")
    assert [span.name for span in exporter.get_finished_spans()] == ["invoke_agent streamer", "execute_tool search"]


def test_configured_and_shut_down_and_configured_again_each_part_is_whole(tmp_path):
    with spanwatch.agent("before"):
        pass
    for home in ("one", "two"):
        spanwatch.configure(home=tmp_path / home, banner=False, openai="none")
        with spanwatch.agent(home):
            search("x")
        assert spanwatch.shutdown(5)
        with spanwatch.agent("after"):
            search("x")
        assert INSTANCE.telemetry is None
        kept = b"".join(path.read_bytes() for path in (tmp_path / home).rglob("*") if path.is_file())
        assert f"invoke_agent {home}".encode() in kept  # in the journal, or by now in the store
        assert b"execute_tool search" in kept
        assert b"invoke_agent before" not in kept
        assert b"invoke_agent after" not in kept


def test_a_run_that_outlives_shutdown_raises_nothing(tmp_path):
    spanwatch.configure(home=tmp_path, banner=False, openai="none")
    with spanwatch.agent("planner"), spanwatch.tool("search"):
        spanwatch.shutdown(5)


@pytest.mark.parametrize(("setting", "expected"), [("on", "True"), ("off", "False")])
def test_the_switch_decides_about_thread_pools(tmp_path, setting, expected):
    code = """
from concurrent.futures import ThreadPoolExecutor
import spanwatch
before = ThreadPoolExecutor.submit
spanwatch.configure(banner=False, openai="none")
with spanwatch.agent("planner") as span, ThreadPoolExecutor(1) as pool:
    from opentelemetry import trace
    print(pool.submit(trace.get_current_span).result() is span)
spanwatch.shutdown()
print(ThreadPoolExecutor.submit is before)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"SPANWATCH_EXECUTORS": setting, "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == [expected, "True"]


def test_a_capture_sees_scopes_with_content_and_gives_them_back(tmp_path):
    spanwatch.configure(home=tmp_path, banner=False, openai="none")
    before = INSTANCE.telemetry
    with capture(content=True) as captured, spanwatch.agent("planner"):
        search("x")
    assert INSTANCE.telemetry is before
    spanwatch.shutdown(5)
    agent, tool = captured.spans
    assert (agent["name"], tool["name"], tool["parent"]) == ("invoke_agent planner", "execute_tool search", agent["id"])
    assert tool["attributes"]["gen_ai.tool.call.arguments"] == '{"query":"x"}'
    assert captured.metrics["gen_ai.invoke_agent.tool_calls"][0]["sum"] == 1
