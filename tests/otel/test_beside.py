"""Two spans of one call, neither inside the other: every span around either has its sums, and none has them twice."""

from __future__ import annotations

import threading

import pytest
from opentelemetry.trace import set_span_in_context, use_span

from spanwatch.core import names
from spanwatch.core.call import CallStatus
from tests.otel.rig import AGENT, REQUEST, Rig

USAGE = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
SUMS = {
    "spanwatch.rollup.calls": 1,
    "spanwatch.rollup.errors": 0,
    "spanwatch.rollup.unpriced_calls": 0,
    "spanwatch.rollup.cost.usd": 1.5e-08,
    "spanwatch.rollup.input_tokens": 10,
    "spanwatch.rollup.output_tokens": 5,
}


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path / ".spanwatch")
    yield rig
    rig.close()
    assert not rig.guard.failures


class Graph:
    """A request, an agent's span in it that is never the current one, and a framework's model span in that."""

    def __init__(self, rig, root=True):
        self.theirs = rig.provider.get_tracer("theirs")
        self.root = rig.tracer.start_span("request", attributes={"spanwatch.request.name": "request"}) if root else None
        self.agent = self.theirs.start_span("agent", attributes=AGENT, context=self._in(self.root))
        self.model = self.theirs.start_span("model", attributes=REQUEST, context=self._in(self.agent))

    @staticmethod
    def _in(span):
        return None if span is None else set_span_in_context(span)

    def end(self):
        for span in (self.agent, self.root):
            if span is not None:
                span.end()


def sums(rig, name):
    return {key: value for key, value in rig.spans()[name].items() if key.startswith("spanwatch.rollup.")}


def on_another_thread(action):
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


def test_a_span_around_both_has_the_call_once_and_one_around_the_frameworks_alone_too(rig):
    graph = Graph(rig)
    with use_span(graph.root):
        rig.call()
    graph.model.set_attributes(USAGE)
    graph.model.end()
    graph.end()
    assert rig.total(names.CALLS.name) == 1
    assert (sums(rig, "request"), sums(rig, "agent")) == (SUMS, SUMS)


def test_so_it_is_where_the_framework_reports_first(rig):
    graph = Graph(rig)
    with use_span(graph.root):
        ours = rig.start()
    graph.model.set_attributes(USAGE)
    graph.model.end()
    rig.pipeline.finish(ours, rig.call_of(ours))
    graph.end()
    assert rig.total(names.CALLS.name) == 1
    assert (sums(rig, "request"), sums(rig, "agent")) == (SUMS, SUMS)


def test_in_two_traces_each_has_the_sums_of_its_own(rig):
    graph = Graph(rig, root=False)
    apart = rig.tracer.start_span("apart")
    with use_span(apart):
        rig.call()
    graph.model.set_attributes(USAGE)
    graph.model.end()
    graph.end()
    apart.end()
    assert (sums(rig, "apart"), sums(rig, "agent")) == (SUMS, SUMS)


def test_told_by_one_response_id_the_sums_are_the_same(rig):
    graph = Graph(rig)
    with use_span(graph.root):
        rig.call(response_id="r")
    graph.model.set_attributes({**USAGE, "gen_ai.response.id": "r"})
    graph.model.end()
    graph.end()
    assert (sums(rig, "request"), sums(rig, "agent")) == (SUMS, SUMS)


def test_usage_that_only_the_second_knows_goes_to_the_spans_around_both(rig):
    graph = Graph(rig)
    with use_span(graph.root):
        ours = rig.start()
    graph.model.end()  # without usage, and without an id of the response
    on_another_thread(lambda: rig.pipeline.finish(ours, rig.call_of(ours)))
    graph.end()
    assert (rig.total(names.CALLS.name), rig.total(names.COST.name)) == (1, pytest.approx(1.5e-08))
    assert (sums(rig, "request"), sums(rig, "agent")) == (SUMS, SUMS)


def test_a_cost_that_is_stated_later_replaces_the_one_around_both(rig):
    graph = Graph(rig)
    with use_span(graph.root):
        call = rig.call()
    graph.model.set_attributes(USAGE)
    graph.model.end()
    rig.pipeline.restate_cost(call.response_id, 40, "s1", 1)
    graph.end()
    assert (sums(rig, "request"), sums(rig, "agent")) == ({**SUMS, "spanwatch.rollup.cost.usd": 4e-08},) * 2


@pytest.mark.parametrize("fields", [{"usage": None}, {"usage": None, "status": CallStatus.ERROR, "error_type": "e"}])
def test_a_stream_without_usage_or_a_failure_counts_once_though_the_framework_is_on_another_thread(rig, fields):
    graphs: list[Graph] = []
    on_another_thread(lambda: graphs.append(Graph(rig, root=False)))
    rig.call(**fields)
    graphs[0].model.end()
    graphs[0].end()
    assert rig.total(names.CALLS.name) == 1
    assert sums(rig, "agent")["spanwatch.rollup.calls"] == 1


def test_a_stored_response_that_is_fetched_in_another_request_adds_nothing_there(rig):
    rig.call(response_id="r")
    other = rig.tracer.start_span("other")
    with use_span(other):
        rig.foreign(
            {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.response.id": "r", **USAGE}
        )
    other.end()
    assert rig.total(names.CALLS.name) == 1
    assert sums(rig, "other") == {}
