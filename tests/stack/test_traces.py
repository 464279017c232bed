"""Every span of a run is in Jaeger, whole, by both of its APIs."""

import json

import pytest
from stack_rig import eventually, plain, values

EXACT = ("traceId", "spanId", "name", "startTimeUnixNano")


@pytest.fixture(scope="module")
def arrived(stack, run):
    """The spans in Jaeger of the run's traces, once as many are there as the store has."""

    def found():
        spans = {}
        for trace_id in run.traces:
            spans.update(stack.jaeger.spans(trace_id))
        return spans if len(spans) >= len(run.spans) else None

    return eventually(found, f"{len(run.spans)} spans in Jaeger")


def test_every_span_of_the_run_is_there_once(run, arrived):
    assert len(run.traces) == 3
    assert len(run.spans) >= 3 * 12
    assert arrived.keys() == run.spans.keys()


def test_a_span_has_its_trace_name_times_and_parent(run, arrived):
    for span_id, stored in run.spans.items():
        there = arrived[span_id]
        assert {key: there[key] for key in EXACT} == {key: stored[key] for key in EXACT}
        assert _length_ns(there) == max(1, _length_ns(stored))  # badger gives a span without length one nanosecond
        assert there.get("parentSpanId", "") == stored.get("parentSpanId", "")
        assert there.get("status", {}).get("code", 0) == stored.get("status", {}).get("code", 0)
        assert there["resource"]["service.name"] == run.service


def test_a_span_has_its_attributes_with_their_types(run, arrived):
    compared = 0
    for span_id, stored in run.spans.items():
        there = {pair["key"]: pair["value"] for pair in arrived[span_id].get("attributes", [])}
        for pair in stored.get("attributes", []):
            key, value = pair["key"], pair["value"]
            if key.startswith("planted."):
                continue
            assert _same(there[key], value), (key, there[key], value)
            compared += 1
    assert compared > 300


def test_a_span_has_its_events(run, arrived):
    names = set()
    for span_id, stored in run.spans.items():
        mine, theirs = _by_time(stored), _by_time(arrived[span_id])  # badger keeps no order
        for event, there in zip(mine, theirs, strict=True):
            assert (there["name"], there["timeUnixNano"]) == (event["name"], event["timeUnixNano"])
            assert values(there.get("attributes", [])) == values(event.get("attributes", []))
            names.add(event["name"])
    assert names >= {"looked up", "exception"}


def test_the_api_that_grafana_uses_has_the_same_spans_and_parents(stack, run):
    for trace_id in run.traces:
        legacy = stack.jaeger.legacy(trace_id)
        mine = {key: span for key, span in run.spans.items() if span["traceId"] == trace_id}
        assert legacy.keys() == mine.keys()
        for span_id, span in mine.items():
            parents = [ref["spanID"] for ref in legacy[span_id]["references"] if ref["refType"] == "CHILD_OF"]
            assert parents == ([span["parentSpanId"]] if span.get("parentSpanId") else [])
            tags = {tag["key"]: tag["value"] for tag in legacy[span_id]["tags"]}
            cost = next(
                (p["value"]["doubleValue"] for p in span["attributes"] if p["key"] == "spanwatch.cost.usd"), None
            )
            assert tags.get("spanwatch.cost.usd") == cost
            assert len(legacy[span_id]["logs"] or []) == len(span.get("events", []))


def test_an_unknown_trace_is_in_neither(stack):
    assert stack.jaeger.spans("0" * 31 + "1") == {}
    assert stack.jaeger.legacy("0" * 31 + "1") == {}


def test_the_gateway_names_the_environment(run, arrived):
    assert {span["resource"]["deployment.environment.name"] for span in arrived.values()} == {"dev"}


def _length_ns(span):
    return int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])


def _by_time(span):
    return sorted(span.get("events", []), key=lambda event: int(event["timeUnixNano"]))


def _same(there, mine):
    """Jaeger's badger keeps a list as its JSON text; everything else keeps its type."""
    if "arrayValue" in mine and "stringValue" in there:
        return json.loads(there["stringValue"]) == plain(mine)
    return plain(there) == plain(mine) and there.keys() == mine.keys()
