"""The processor for structlog, with the real one."""

import ast
import json
from pathlib import Path

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

import spanwatch
from spanwatch.otel.logs import structlog_processor, structured


@pytest.fixture
def said():
    """A structlog logger that renders JSON, and what it said."""
    output = structlog.testing.CapturingLoggerFactory()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog_processor, structlog.processors.JSONRenderer()],
        logger_factory=output,
        cache_logger_on_first_use=False,
    )
    yield lambda: [json.loads(call.args[0]) for call in output.logger.calls]
    structlog.reset_defaults()


def test_an_event_says_where_and_for_whom(said):
    with (
        spanwatch.request(user_id="alice", conversation_id="c1"),
        spanwatch.agent("planner"),
        TracerProvider().get_tracer("t").start_as_current_span("w") as span,
    ):
        structlog.get_logger().info("hello", n=1)
    context = span.get_span_context()
    assert said() == [
        {
            "event": "hello",
            "n": 1,
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "agent": "planner",
            "user_id": "alice",
            "conversation_id": "c1",
        }
    ]


def test_what_the_application_says_itself_stays(said):
    with spanwatch.request(user_id="alice"):
        structlog.get_logger().info("hello", user_id="bob")
    assert said()[0]["user_id"] == "bob"


def test_outside_of_spans_and_scopes_nothing_is_added(said):
    structlog.get_logger().info("hello")
    assert said() == [{"event": "hello"}]


def test_structlog_is_not_needed():
    tree = ast.parse(Path(structured.__file__).read_text(encoding="utf-8"))
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and "structlog" in ast.dump(node)
    ]
    assert structlog_processor(None, "info", {"event": "x"}) == {"event": "x"}
