"""The sizing benchmark counts right: what it records is agent-shaped, what it sends anew is whole, and none is lost."""

import gzip

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.pipeline.__main__ import Case, measured
from benchmarks.pipeline.gateway import KEEP_ALL
from benchmarks.pipeline.recording import MESSAGES, bodies, recorded


@pytest.fixture(scope="module")
def whole():
    return recorded()


def spans(data):
    request = ExportTraceServiceRequest.FromString(data)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def test_what_is_sent_anew_is_the_same_but_for_its_trace_ids(whole):
    body, *_ = bodies(whole)
    first, second = spans(body.anew()), spans(gzip.decompress(body.anew(compressed=True)))
    assert len(first) == len(second) == body.spans
    assert sum(span.name.startswith("chat ") for span in first) == body.calls > 0
    assert len({span.trace_id for span in first}) == 4
    assert not {span.trace_id for span in first} & {span.trace_id for span in second}
    for one, other in zip(first, second, strict=True):
        other.trace_id = one.trace_id
        assert one == other


def test_a_prompt_is_as_large_as_it_is_said_to_be(whole):
    body, *_ = bodies(whole, prompt_bytes=5_000, traces=1)
    prompts = [p.value.string_value for span in spans(body.data) for p in span.attributes if p.key == MESSAGES]
    assert [len(prompt) for prompt in prompts] == [5_000] * body.calls


def test_none_is_lost_and_all_is_counted(stack, whole, monkeypatch):
    monkeypatch.setenv("SPANWATCH_STACK_BIN", str(stack.bin))
    found = measured(Case("kept", prompt=False, factor=0.2, layers=KEEP_ALL), bodies(whole), 2.0)
    assert (found.lost, found.put_off, found.given_up) == (0, 0, 0)
    assert found.kept == pytest.approx(found.spans_per_s * 2, rel=0.5)
    assert found.cpu_s_per_1000_calls > 0
