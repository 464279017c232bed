"""Every metric that the traffic produces is in Prometheus under the predicted name and labels, equal to the store's."""

import sqlite3
import time
from dataclasses import dataclass

import pytest
from stack_rig import eventually

from spanwatch.core import names
from spanwatch.core.points import distribution, value
from spanwatch.core.prometheus import label_name
from spanwatch.generate.predicted import predicted
from spanwatch.store import samples

# What a run without any fault cannot produce.
FAULTS = {names.TELEMETRY_DROPPED, names.BUDGET_UNENFORCED, names.DELIVERY_DROPPED, names.DELIVERY_RESUMED}

# What stands for a moment: the store and Prometheus collect one after the other, and may see other numbers of it.
MOMENTARY = (names.DELIVERY_WAITING,)

FAULTS_NAMES = {metric.name for metric in FAULTS}


@dataclass(frozen=True)
class Told:
    """What the ring of one service's process last stood at: instrument → [(labels, value or distribution)]."""

    service: str
    last: dict


@pytest.fixture(scope="module")
def faulty(faults):
    return Told("faulty", stood_at(faults, "faulty"))


@pytest.fixture(scope="module")
def sound(run):
    return Told(run.service, stood_at(run.home, run.service))


def stood_at(home, service):
    found = {}
    for series in samples.read(home, None, 0, time.time_ns()):
        if dict(series.resource)["service.name"] != service:
            continue
        identity = series.identity
        packed = [sample.packed for sample in series.samples if sample.packed is not None][-1]
        number = distribution(identity, packed) if identity.kind == "histogram" else value(packed)
        found.setdefault(identity.name, []).append((dict(identity.labels), number))
    return found


@pytest.fixture
def told(metric, sound, faulty):
    """The run that has this metric."""
    return faulty if metric in FAULTS else sound


def there(stack, told, name):
    """What a series last stood at, however long ago its process ended."""
    return stack.prometheus.query(f'last_over_time({name}{{job="{told.service}"}}[2h])')


def test_the_traffic_produces_every_metric(sound, faulty):
    assert {metric.name for metric in names.METRICS} - FAULTS_NAMES <= sound.last.keys()
    assert faulty.last.keys() >= FAULTS_NAMES
    assert not FAULTS_NAMES & sound.last.keys()


@pytest.mark.parametrize("metric", [m for m in names.METRICS if m not in MOMENTARY], ids=lambda m: m.name)
def test_a_metric_has_the_predicted_name_labels_and_the_store_s_values(stack, told, metric):
    expected = predicted(metric)
    mine = told.last[metric.name]
    whole = sum(_number(metric, each) for _, each in mine)
    eventually(
        lambda: sum(number for _, number in there(stack, told, expected.counts)) == pytest.approx(whole),
        f"{expected.counts} = {whole}",
    )
    for series in expected.series:
        found = there(stack, told, series)
        assert found, series
        for labels, _ in found:
            assert labels.keys() - {"__name__"} <= expected.labels
    by_labels = {_key(labels, metric): number for labels, number in there(stack, told, expected.counts)}
    for labels, each in mine:
        renamed = {label_name(key): text for key, text in labels.items()}
        assert by_labels[_key(renamed, metric)] == pytest.approx(_number(metric, each))


@pytest.mark.parametrize("metric", MOMENTARY, ids=lambda m: m.name)
def test_what_stands_for_a_moment_has_the_predicted_name_and_the_store_s_labels(stack, told, metric):
    expected = predicted(metric)
    found = eventually(lambda: there(stack, told, expected.counts), expected.counts)
    labels = [{label_name(key): text for key, text in labels.items()} for labels, _ in told.last[metric.name]]
    assert {_key(known, metric) for known, _ in found} == {_key(each, metric) for each in labels}
    assert all(known.keys() - {"__name__"} <= expected.labels and number >= 0 for known, number in found)


@pytest.mark.parametrize("metric", [m for m in names.METRICS if m.kind == "histogram"], ids=lambda m: m.name)
def test_a_histogram_has_the_registry_s_buckets_and_the_store_s_sum(stack, told, metric):
    expected = predicted(metric)
    eventually(lambda: there(stack, told, expected.counts), expected.counts)
    bounds = {labels["le"] for labels, _ in there(stack, told, f"{expected.name}_bucket")}
    assert {float(bound) for bound in bounds} == {float(bound) for bound in expected.bounds}
    total = sum(number for _, number in there(stack, told, f"{expected.name}_sum"))
    assert total == pytest.approx(sum(each.sum for _, each in told.last[metric.name]))


def test_money_and_tokens_equal_the_ledger_of_calls(stack, run):
    with sqlite3.connect(run.home / "store.db") as db:
        nano, tokens, calls = db.execute(
            "SELECT sum(nano_usd), sum(CASE WHEN operation <> 'embeddings' THEN input_tokens END), count(*) "
            "FROM calls WHERE counted"
        ).fetchone()
    db.close()

    def total(name):
        return sum(number for _, number in there(stack, run, name))

    eventually(lambda: total("spanwatch_cost_usd_total") == pytest.approx(nano / 1e9, rel=1e-9), f"{nano} nano-dollars")
    assert total("spanwatch_calls_total") == calls
    assert total("gen_ai_client_inference_usage_input_tokens_total") == tokens


def test_budgets_and_feedback_say_what_happened(stack, run):
    def one(name, **labels):
        found = eventually(lambda: there(stack, run, name), name)
        (number,) = [n for told, n in found if labels.items() <= told.items()]
        return number

    traces = len(run.traces)
    assert one("spanwatch_budget_refused_total", spanwatch_budget_name="shut") == traces
    scope = {"spanwatch_budget_name": "each-user", "spanwatch_budget_scope": "user.id=user-7"}
    assert one("spanwatch_budget_limit", **scope) == 100
    assert one("spanwatch_budget_reserved", **scope) == 0
    assert 0 < one("spanwatch_budget_utilization_ratio", **scope) < 1
    assert one("spanwatch_feedback_count_total", gen_ai_evaluation_score_label="down") == traces
    assert sum(number for _, number in there(stack, run, "spanwatch_feedback_low_ratings_total")) == traces


def test_an_increase_sees_what_a_short_lived_process_spent(stack, run):
    total = sum(number for _, number in eventually(lambda: there(stack, run, "spanwatch_cost_usd_total"), "money"))
    grown = stack.prometheus.total('increase(spanwatch_cost_usd_total{job="proven"}[2h])')
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
    expression = 'last_over_time(traces_span_metrics_calls_total{service_name="proven"}[2h])'
    eventually(lambda: (stack.prometheus.total(expression) or 0) == len(run.spans), f"{expression} = {len(run.spans)}")
    labels = [labels for labels, _ in stack.prometheus.query(expression)]
    assert {each.get("gen_ai_operation_name") for each in labels} >= {
        "chat",
        "embeddings",
        "invoke_agent",
        "execute_tool",
    }
    assert stack.prometheus.query(
        'last_over_time(traces_span_metrics_duration_seconds_bucket{service_name="proven", le="0.1"}[2h])'
    )


def _key(labels, metric):
    return tuple(sorted((key, labels[key]) for key in map(label_name, metric.attributes) if key in labels))


def _number(metric, each):
    return each.count if metric.kind == "histogram" else each
