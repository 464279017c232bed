"""The call site on a whole pipeline: what is summed, priced and journaled of calls as they really come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from demo.server import cue
from spanwatch.core import names
from spanwatch.core.call import CallStatus
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.telemetry import Content, Telemetry
from tests.otel.rig import Rig, new_id

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a secret question"}]}
STREAM = {**CHAT, "stream": True}


def switched_on(rig: Rig) -> Iterator[Rig]:
    telemetry = Telemetry(
        tracer=lambda: rig.tracer,
        finish=rig.pipeline.finish,
        defer=rig.worker.defer,
        active=lambda: True,
        content=Content(),
        ask_usage=True,
        clock=time.time_ns,
        new_id=new_id,
    )
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=telemetry, skip_dep_check=True)
    try:
        yield rig
    finally:
        instrumentor.uninstrument()
        rig.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    yield from switched_on(Rig(tmp_path))


@pytest.fixture
def unsampled(tmp_path: Path) -> Iterator[Rig]:
    yield from switched_on(Rig(tmp_path, sampler=TraceIdRatioBased(0.0)))


def test_the_usage_of_a_background_response_is_counted_once_for_the_call_that_began_it(client, rig):
    begun = client.responses.create(model="gpt-4o-mini", input="x", extra_headers=cue(response_status="queued"))
    client.responses.retrieve(begun.id)
    assert rig.total(names.INPUT_TOKENS.name) == 0
    for _ in range(3):
        client.responses.retrieve(begun.id, extra_headers=cue(settled_status="completed"))
    assert rig.total(names.INPUT_TOKENS.name) == 120
    assert rig.total(names.OUTPUT_TOKENS.name) == 48
    first, *fetches = rig.calls()
    assert (first.operation, first.response_id, first.usage) == ("chat", begun.id, None)
    assert [call.operation for call in fetches] == ["fetch_response"] * 4
    assert [call.settles for call in fetches] == [None, begun.id, begun.id, begun.id]
    spans = [span for span in rig.exporter.get_finished_spans() if span.name == "fetch_response"]
    assert not any(name.startswith(("gen_ai.usage", "spanwatch.cost")) for span in spans for name in span.attributes)


def test_a_response_fetched_again_is_not_counted_again(client, rig):
    made = client.responses.create(model="gpt-4o-mini", input="x")
    client.responses.retrieve(made.id)
    assert rig.total(names.INPUT_TOKENS.name) == 120


def test_a_stream_has_its_cost_on_its_span(client, rig):
    list(client.chat.completions.create(**STREAM))
    attributes = rig.spans()["chat gpt-4o-mini"]
    assert attributes["spanwatch.cost.usd"] == pytest.approx(168e-9)
    assert attributes["spanwatch.cost.status"] == "priced"
    assert isinstance(attributes["gen_ai.response.time_to_first_chunk"], float)
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (120, 48)


def test_an_abandoned_stream_costs_unknown_and_not_zero(client, rig):
    with client.chat.completions.create(**STREAM) as stream:
        next(stream)
    attributes = rig.spans()["chat gpt-4o-mini"]
    assert attributes["spanwatch.call.status"] == "abandoned"
    assert (attributes["spanwatch.cost.status"], attributes["spanwatch.cost.reason"]) == ("unknown", "no_usage")
    assert not {"spanwatch.cost.usd", "gen_ai.usage.cost", "gen_ai.usage.input_tokens"} & attributes.keys()


def test_calls_of_unsampled_traces_are_counted(client, unsampled):
    for _ in range(3):
        client.chat.completions.create(**CHAT)
    list(client.chat.completions.create(**STREAM))
    assert unsampled.exporter.get_finished_spans() == ()
    assert unsampled.total(names.INPUT_TOKENS.name) == 4 * 120
    assert [(call.status, call.sampled) for call in unsampled.calls()] == [(CallStatus.OK, False)] * 4


def test_an_exception_event_names_the_error_and_quotes_nothing(client, rig):
    with pytest.raises(Exception, match="Demo"):
        client.chat.completions.create(**CHAT, extra_headers=cue(status=429))
    (log,) = (entry.log_record for entry in rig.log_exporter.get_finished_logs())
    assert log.event_name == "gen_ai.client.operation.exception"
    assert log.attributes["exception.type"] == "openai.RateLimitError"
    assert "Demo" not in repr(log.attributes)
