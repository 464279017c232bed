"""Values that no telemetry should meet: the call runs, the span is there, and what was replaced is marked."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from uuid import UUID

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.trace import INVALID_SPAN

import spanwatch
from spanwatch.otel.setup import INSTANCE
from spanwatch.otel.spans import run


class Hostile:
    """Every question raises."""

    def __str__(self):
        raise RuntimeError("no str")

    def __repr__(self):
        raise RuntimeError("no repr")

    def __len__(self):
        raise RuntimeError("no len")

    def __bool__(self):
        raise RuntimeError("no bool")

    def __eq__(self, other):
        raise RuntimeError("no eq")

    def __hash__(self):
        raise RuntimeError("no hash")

    @property
    def __class__(self):
        raise RuntimeError("no class")

    def __getattr__(self, name):
        raise RuntimeError("no attribute")


def cycle():
    found = {"a": 1}
    found["self"] = found
    found["list"] = [found]
    return found


VALUES = {
    "raises": Hostile(),
    "cycle": cycle(),
    "huge": "x" * 3_000_000,
    "surrogate": "half \ud800 pair",
    "nested_surrogate": {"a": ["half \ud800 pair"]},
    "nan": float("nan"),
    "huge_int": 10**5_000,
    "bytes": b"\xff\x00",
    "none": None,
    "deep": json.loads("[" * 400 + "]" * 400),
    "keys": {Hostile: 1, (1, 2): Hostile()},
}


def encoded(told):
    """What an exporter would send; raises where it cannot."""
    spans = told.spans()
    encode_spans(spans).SerializeToString()
    return spans


@pytest.mark.parametrize("kind", VALUES)
def test_any_argument_and_result_passes_through_unread_with_content_off(told, kind):
    value = VALUES[kind]

    @spanwatch.agent("planner")
    def plan(given):
        return given

    assert plan(value) is value
    (span,) = encoded(told)
    assert span.attributes["spanwatch.outcome"] == "ok"


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("make", [spanwatch.agent, spanwatch.tool, spanwatch.retrieval])
def test_any_argument_and_result_passes_through_with_content_on(told_content, make, kind):
    value = VALUES[kind]

    @make("x")
    def work(given):
        return given

    assert work(value) is value
    (span,) = encoded(told_content)
    assert span.attributes["spanwatch.outcome"] == "ok"
    assert all(len(str(value)) < 1000 for value in span.attributes.values())


@pytest.mark.parametrize("kind", ["raises", "cycle", "surrogate", "nested_surrogate", "huge_int", "deep"])
def test_what_was_replaced_is_marked(told_content, kind):
    with spanwatch.tool("x", arguments=[VALUES[kind]]):
        pass
    assert told_content.attributes("execute_tool x")["spanwatch.replaced"] >= 1


def test_what_was_cut_is_marked_with_its_size(told_content):
    with spanwatch.tool("x", arguments="y" * 1_000):
        pass
    found = told_content.attributes("execute_tool x")
    assert found["gen_ai.tool.call.arguments"] == "y" * 400
    assert found["spanwatch.content.cut_bytes"] == 600


def test_a_name_that_cannot_be_sent_is_mended_and_marked(told):
    with spanwatch.agent("n" * 5_000), spanwatch.tool("half \ud800 pair"):
        pass
    tool, agent = encoded(told)
    assert tool.name == "execute_tool half ? pair"
    assert agent.attributes["gen_ai.agent.name"] == "n" * 1_024
    assert tool.attributes["spanwatch.replaced"] == agent.attributes["spanwatch.replaced"] == 1


def test_ids_of_other_types_are_texts_and_what_is_none_is_replaced(told):
    with spanwatch.request(user_id=UUID(int=1), conversation_id=7):
        pass
    found = told.attributes("request")
    assert found["user.id"] == "00000000-0000-0000-0000-000000000001"
    assert found["gen_ai.conversation.id"] == "7"
    assert "spanwatch.replaced" not in found


def test_an_id_that_is_no_id_is_replaced_and_marked(told):
    with spanwatch.request(user_id=Hostile(), tags=["a", Hostile()], app_version="v\ud800"):
        pass
    (span,) = encoded(told)
    assert span.attributes["user.id"] == "<Hostile>"
    assert span.attributes["spanwatch.tags"] == ("a", "<Hostile>")
    assert span.attributes["spanwatch.app.version"] == "v?"
    assert span.attributes["spanwatch.replaced"] == 3


def test_an_attribute_of_any_type_is_recorded_or_replaced(told):
    given = {"object": Hostile(), "list": ["a", "b"], "mixed": [1, "a"], "huge": 1 << 70, "flag": True, 3: "key"}
    with spanwatch.tool("x", attributes=given):
        pass
    (span,) = encoded(told)
    found = span.attributes
    assert (found["object"], found["list"], found["flag"]) == ("<Hostile>", ("a", "b"), True)
    assert (found["mixed"], found["huge"], found["3"]) == ("<list>", str(1 << 70), "key")


def test_an_exception_that_cannot_be_printed_is_reraised_untouched(told_content):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no str")

    error = MuteError()
    with pytest.raises(MuteError) as caught, spanwatch.tool("x"):
        raise error
    assert caught.value is error
    assert told_content.attributes("execute_tool x")["error.type"].endswith("MuteError")
    assert "exception.message" not in told_content.events()[0].attributes


def test_a_tracer_that_raises_leaves_the_code_to_run_bare(told, monkeypatch):
    def broken():
        raise RuntimeError("no tracer")

    monkeypatch.setattr(INSTANCE, "telemetry", dataclasses.replace(INSTANCE.telemetry, tracer=broken))
    scope = spanwatch.agent("planner")

    async def later():
        return 1

    def steps():
        yield 1

    async def asteps():
        yield 1

    async def main():
        async with scope:
            return await scope(later)(), [item async for item in scope(asteps)()]

    with scope as span:
        assert span is INVALID_SPAN
    assert scope(abs)(-1) == 1
    assert list(scope(steps)()) == [1]
    assert asyncio.run(main()) == (1, [1])
    assert run.GUARD.failures.pop("starting a span") == 6


def test_a_span_that_cannot_end_and_metrics_that_cannot_be_queued_are_not_the_applications(told, monkeypatch):
    def broken(*_args):
        raise RuntimeError("not today")

    telemetry = dataclasses.replace(INSTANCE.telemetry, measure=broken, totals=broken, logger=broken)
    monkeypatch.setattr(INSTANCE, "telemetry", telemetry)
    with pytest.raises(KeyError), spanwatch.agent("planner"):
        raise KeyError("mine")
    with spanwatch.tool("search"):
        pass
    assert [span.name for span in told.spans()] == ["invoke_agent planner", "execute_tool search"]
    assert run.GUARD.failures == {"adding up calls": 1, "reporting an exception": 1, "measuring a span": 2}
    run.GUARD.failures.clear()
