"""Every metric that the traffic produces is in Prometheus under the predicted name and labels, equal to the store's."""

import sqlite3
import time

import pytest
from stack_rig import eventually

from spanwatch.core import names
from spanwatch.core.points import distribution, value
from spanwatch.core.prometheus import label_name
from spanwatch.generate.predicted import predicted
from spanwatch.store import samples

# What a run without any fault cannot produce, and what the traffic has none of: budgets and feedback.
OF_OTHERS = ("spanwatch.budget.", "spanwatch.feedback.")
SILENT = {names.TELEMETRY_DROPPED, *(metric for metric in names.METRICS if metric.name.startswith(OF_OTHERS))}


@pytest.fixture(scope="module")
def last(run):
    """What the process's own ring last stood at: instrument → [(labels, value or distribution)]."""
    found = {}
    for series in samples.read(run.home, None, 0, time.time_ns()):
        identity = series.identity
        packed = [sample.packed for sample in series.samples if sample.packed is not None][-1]
        number = distribution(identity, packed) if identity.kind == "histogram" else value(packed)
        found.setdefault(identity.name, []).append((dict(identity.labels), number))
    return found


def there(stack, run, name):
    return stack.prometheus.query(f'{name}{{job="{run.service}"}}')


def test_the_traffic_produces_every_metric_but_those_named(last):
    silent = {metric.name for metric in names.METRICS} - last.keys()
    assert silent <= {metric.name for metric in SILENT}


@pytest.mark.parametrize("metric", [m for m in names.METRICS if m not in SILENT], ids=lambda m: m.name)
def test_a_metric_has_the_predicted_name_labels_and_the_store_s_values(stack, run, last, metric):
    expected = predicted(metric)
    mine = last[metric.name]
    whole = sum(number if metric.kind == "counter" else number.count for _, number in mine)
    eventually(
        lambda: sum(number for _, number in there(stack, run, expected.counts)) == pytest.approx(whole),
        f"{expected.counts} = {whole}",
    )
    for series in expected.series:
        found = there(stack, run, series)
        assert found, series
        for labels, _ in found:
            assert labels.keys() - {"__name__"} <= expected.labels
    by_labels = {_key(labels, metric): number for labels, number in there(stack, run, expected.counts)}
    for labels, number in mine:
        told = {label_name(key): text for key, text in labels.items()}
        assert by_labels[_key(told, metric)] == pytest.approx(number if metric.kind == "counter" else number.count)


@pytest.mark.parametrize(
    "metric", [m for m in names.METRICS if m.kind == "histogram" and m not in SILENT], ids=lambda m: m.name
)
def test_a_histogram_has_the_registry_s_buckets_and_the_store_s_sum(stack, run, last, metric):
    expected = predicted(metric)
    eventually(lambda: there(stack, run, expected.counts), expected.counts)
    bounds = {labels["le"] for labels, _ in there(stack, run, f"{expected.name}_bucket")}
    assert {float(bound) for bound in bounds} == {float(bound) for bound in expected.bounds}
    total = sum(number for _, number in there(stack, run, f"{expected.name}_sum"))
    assert total == pytest.approx(sum(each.sum for _, each in last[metric.name]))


def test_money_and_tokens_equal_the_ledger_of_calls(stack, run):
    with sqlite3.connect(run.home / "store.db") as db:
        nano, tokens, calls = db.execute(
            "SELECT sum(nano_usd), sum(CASE WHEN operation <> 'embeddings' THEN input_tokens END), count(*) "
            "FROM calls WHERE counted"
        ).fetchone()
    db.close()
    total = stack.prometheus.total
    job = f'{{job="{run.service}"}}'
    assert total(f"spanwatch_cost_usd_total{job}") == pytest.approx(nano / 1e9, rel=1e-9)
    assert total(f"spanwatch_calls_total{job}") == calls
    assert total(f"gen_ai_client_inference_usage_input_tokens_total{job}") == tokens


def test_an_increase_sees_what_a_short_lived_process_spent(stack, run):
    total = eventually(lambda: stack.prometheus.total('spanwatch_cost_usd_total{job="proven"}'), "money")
    grown = stack.prometheus.total('increase(spanwatch_cost_usd_total{job="proven"}[15m])')
    assert 0.9 * total <= grown <= 1.7 * total  # Prometheus extrapolates; without the created timestamp it says 0


def test_the_resource_is_promoted_to_labels(stack, run):
    (labels, _), *_ = there(stack, run, "spanwatch_calls_total")
    assert labels["job"] == labels["service_name"] == "proven"
    assert labels["instance"] == labels["service_instance_id"]
    assert labels["deployment_environment_name"] == "dev"


def test_exemplars_lead_to_traces_in_jaeger(stack, run):
    duration = predicted(names.INFERENCE_DURATION).name
    found = eventually(
        lambda: stack.prometheus.exemplars(f'{duration}_bucket{{job="{run.service}"}}'), "exemplars of durations"
    )
    ids = {(each["labels"]["trace_id"], each["labels"]["span_id"]) for each in found}
    assert {trace_id for trace_id, _ in ids} <= set(run.traces)
    for trace_id, span_id in ids:
        eventually(lambda t=trace_id, s=span_id: s in stack.jaeger.spans(t), f"span {span_id} of an exemplar")


def test_span_metrics_count_every_span(stack, run):
    expression = 'traces_span_metrics_calls_total{service_name="proven"}'
    eventually(lambda: (stack.prometheus.total(expression) or 0) == len(run.spans), f"{expression} = {len(run.spans)}")
    labels = [labels for labels, _ in stack.prometheus.query(expression)]
    assert {each.get("gen_ai_operation_name") for each in labels} >= {
        "chat",
        "embeddings",
        "invoke_agent",
        "execute_tool",
    }
    assert stack.prometheus.query('traces_span_metrics_duration_seconds_bucket{service_name="proven", le="0.1"}')


def _key(labels, metric):
    return tuple(sorted((key, labels[key]) for key in map(label_name, metric.attributes) if key in labels))
