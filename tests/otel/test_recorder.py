from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanContext, TraceFlags

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus, Cost, CostReason, CostStatus, Usage
from spanwatch.otel.recorder import Recorder
from spanwatch.otel.worker import Added, Lost, Measurement

SHARED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2025-08-07",
    "server.address": "api.openai.com",
    "server.port": 443,
}
SAMPLED = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False, trace_flags=TraceFlags(1))
PRICED = Cost(1_500_000_000, CostStatus.PRICED, source="genai-prices")


OF_OTHERS = ("spanwatch.budget.", "spanwatch.feedback.", "spanwatch.delivery.", "spanwatch.telemetry.unrecognised")


def a_call(**fields):
    given = {
        "call_id": "1",
        "operation": "chat",
        "started_ns": 0,
        "ended_ns": 2_000_000_000,
        "provider": "openai",
        "request_model": "gpt-5",
        "response_model": "gpt-5-2025-08-07",
        "server_address": "api.openai.com",
        "server_port": 443,
    }
    return Call(**{**given, **fields})


@pytest.fixture
def measure():
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    recorder = Recorder(provider.get_meter("spanwatch"))

    def record(*batch):
        recorder(
            [item if isinstance(item, (Added, Measurement, Lost)) else Measurement(item, SAMPLED) for item in batch]
        )
        found = {}
        for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
            found[metric.name] = metric
        return found

    yield record
    provider.shutdown()


def values(metric):
    return sorted(
        ((dict(point.attributes), point.value) for point in metric.data.data_points), key=lambda pair: str(pair[0])
    )


def sizes(metric):
    return [(dict(point.attributes), point.count, point.sum) for point in metric.data.data_points]


def test_a_call_is_measured_under_the_current_names_with_the_conventions_units_and_buckets(measure):
    found = measure(a_call(usage=Usage(input_tokens=100, output_tokens=20), cost=PRICED, agent="planner"))
    assert sizes(found["gen_ai.client.inference.duration"]) == [(SHARED, 1, 2.0)]
    assert found["gen_ai.client.inference.duration"].unit == "s"
    assert found["gen_ai.client.inference.duration"].data.data_points[0].explicit_bounds == names.DURATION_BUCKETS
    unknown = {**SHARED, "gen_ai.token.modality": "unknown"}
    assert values(found["gen_ai.client.inference.usage.input_tokens"]) == [(unknown, 100)]
    assert values(found["gen_ai.client.inference.usage.output_tokens"]) == [(unknown, 20)]
    assert sizes(found["gen_ai.client.inference.operation.input_tokens"]) == [(SHARED, 1, 100)]
    assert sizes(found["gen_ai.client.inference.operation.output_tokens"]) == [(SHARED, 1, 20)]
    cost = {
        **SHARED,
        "spanwatch.cost.status": "priced",
        "spanwatch.cost.source": "genai-prices",
        "gen_ai.agent.name": "planner",
    }
    assert values(found["spanwatch.cost.usd"]) == [(cost, 1.5)]
    assert found["spanwatch.cost.usd"].unit == "{USD}"
    calls = {**SHARED, "spanwatch.call.status": "ok", "gen_ai.agent.name": "planner"}
    assert values(found["spanwatch.calls"]) == [(calls, 1)]
    assert found.keys() == {
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.usage.output_tokens",
        "gen_ai.client.inference.operation.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
        "spanwatch.cost.usd",
        "spanwatch.calls",
    }


def test_every_point_carries_only_attributes_that_its_metric_lists(measure):
    usage = Usage(input_tokens=9, output_tokens=8, cache_read_tokens=1, cache_write_tokens=2, reasoning_tokens=3)
    stream = a_call(usage=usage, cost=PRICED, stream=True, chunks=3, time_to_first_chunk_s=0.5, agent="a", user_id="u")
    failed = a_call(status=CallStatus.ERROR, error_type="x")
    embedding = a_call(operation="embeddings", usage=Usage(input_tokens=4))
    unknown = a_call(cost=Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,)))
    found = measure(stream, failed, embedding, unknown, Lost("queue_full", 3))
    others = ("gen_ai.invoke_", "gen_ai.execute_", "spanwatch.request.", *OF_OTHERS)
    metrics = [metric for metric in names.METRICS if not metric.name.startswith(others)]
    assert found.keys() == {metric.name for metric in metrics}
    for metric in metrics:
        for point in found[metric.name].data.data_points:
            assert set(point.attributes) <= set(metric.attributes), metric.name


def test_an_amount_is_added_to_its_counter_with_its_labels(measure):
    refused = Added(names.BUDGET_REFUSED, 1, {names.BUDGET_NAME: "daily"})
    found = measure(refused, refused)
    assert values(found["spanwatch.budget.refused"]) == [({"spanwatch.budget.name": "daily"}, 2)]


def test_the_modalities_of_tokens_are_told_apart_and_the_rest_is_unknown(measure):
    usage = Usage(input_tokens=100, input_audio_tokens=30, input_image_tokens=20, output_tokens=7, output_text_tokens=7)
    found = measure(a_call(usage=usage))
    split = {labels["gen_ai.token.modality"]: n for labels, n in values(found[names.INPUT_TOKENS.name])}
    assert split == {"audio": 30, "image": 20, "unknown": 50}
    split = {labels["gen_ai.token.modality"]: n for labels, n in values(found[names.OUTPUT_TOKENS.name])}
    assert split == {"text": 7}


def test_parts_that_exceed_their_whole_are_not_believed(measure):
    found = measure(a_call(usage=Usage(input_tokens=10, input_audio_tokens=11)))
    ((labels, count),) = values(found[names.INPUT_TOKENS.name])
    assert (labels["gen_ai.token.modality"], count) == ("unknown", 10)


def test_a_reported_zero_is_a_zero_and_an_unknown_count_is_no_point(measure):
    found = measure(a_call(usage=Usage(input_tokens=0)))
    ((labels, count),) = values(found[names.INPUT_TOKENS.name])
    assert (labels["gen_ai.token.modality"], count) == ("unknown", 0)
    assert names.OUTPUT_TOKENS.name not in found


def test_a_failed_call_without_usage_invents_no_tokens_and_is_not_unpriced(measure):
    cost = Cost(None, CostStatus.UNKNOWN, (CostReason.NO_USAGE,))
    found = measure(a_call(status=CallStatus.ERROR, error_type="openai.RateLimitError", cost=cost))
    assert found.keys() == {"gen_ai.client.inference.duration", "spanwatch.calls"}
    assert sizes(found["gen_ai.client.inference.duration"]) == [
        ({**SHARED, "error.type": "openai.RateLimitError"}, 1, 2.0)
    ]


def test_embeddings_are_measured_as_an_operation_and_not_as_inference(measure):
    found = measure(a_call(operation="embeddings", usage=Usage(input_tokens=8), cost=PRICED))
    assert found.keys() == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.embeddings.operation.input_tokens",
        "spanwatch.calls",
        "spanwatch.cost.usd",
    }


def test_a_fetched_response_is_timed_and_no_call(measure):
    assert measure(a_call(operation="fetch_response")).keys() == {"gen_ai.client.operation.duration"}


def test_streams_have_their_first_chunk_and_the_mean_time_between_the_others(measure):
    found = measure(a_call(stream=True, chunks=4, time_to_first_chunk_s=0.5))
    assert sizes(found["gen_ai.client.inference.time_to_first_chunk"]) == [(SHARED, 1, 0.5)]
    assert sizes(found["gen_ai.client.inference.time_per_output_chunk"]) == [(SHARED, 1, 0.5)]


def test_a_stream_of_one_chunk_has_no_time_between_chunks(measure):
    found = measure(a_call(stream=True, chunks=1, time_to_first_chunk_s=0.5))
    assert "gen_ai.client.inference.time_per_output_chunk" not in found


def test_an_unpriced_call_says_why(measure):
    found = measure(a_call(cost=Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))))
    assert values(found["spanwatch.cost.unpriced_calls"]) == [({**SHARED, "spanwatch.cost.reason": "no_price"}, 1)]
    assert "spanwatch.cost.usd" not in found


def test_late_usage_adds_tokens_and_cost_and_no_call(measure):
    call = a_call(usage=Usage(input_tokens=5, output_tokens=6), cost=PRICED)
    found = measure(Measurement(call, SAMPLED, settled=True))
    assert "spanwatch.calls" not in found
    assert "gen_ai.client.inference.duration" not in found
    assert values(found["spanwatch.cost.usd"])[0][1] == 1.5


def test_a_batch_adds_each_counter_once_per_attribute_set(measure):
    found = measure(*(a_call(usage=Usage(input_tokens=1, output_tokens=2), cost=PRICED) for _ in range(50)))
    assert values(found["spanwatch.calls"])[0][1] == 50
    assert values(found["spanwatch.cost.usd"])[0][1] == 75.0
    assert sizes(found["gen_ai.client.inference.duration"])[0][1] == 50


def test_exemplars_point_at_the_span_of_the_call_when_it_is_sampled(measure):
    found = measure(a_call(usage=Usage(input_tokens=1), cost=PRICED))
    for name in ("gen_ai.client.inference.duration", "spanwatch.cost.usd", "spanwatch.calls"):
        (exemplar,) = found[name].data.data_points[0].exemplars
        assert (exemplar.trace_id, exemplar.span_id) == (0xABC, 0xDEF)


def test_exemplars_do_not_point_at_spans_that_are_not_sampled(measure):
    unsampled = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False, trace_flags=TraceFlags(0))
    found = measure(Measurement(a_call(), unsampled))
    assert not found["gen_ai.client.inference.duration"].data.data_points[0].exemplars


def test_lost_telemetry_is_counted_by_reason(measure):
    found = measure(Lost("queue_full", 3), Lost("queue_full", 2), Lost("unencodable", 1))
    assert values(found["spanwatch.telemetry.dropped"]) == [
        ({"error.type": "queue_full"}, 5),
        ({"error.type": "unencodable"}, 1),
    ]
