"""Names in Prometheus, predicted from the registry."""

import pytest

from spanwatch.core import names
from spanwatch.generate.predicted import RESOURCE_LABELS, predicted


def test_money_is_a_counter_without_a_unit_in_its_name():
    found = predicted(names.COST)
    assert found.series == ("spanwatch_cost_usd_total",)
    assert found.counts == "spanwatch_cost_usd_total"
    assert {"gen_ai_request_model", "spanwatch_cost_status", "gen_ai_agent_name", "job"} <= found.labels
    assert "le" not in found.labels


def test_a_histogram_of_seconds_has_three_series_and_its_bounds_as_text():
    found = predicted(names.REQUEST_DURATION)
    assert found.series == tuple(f"spanwatch_request_duration_seconds_{part}" for part in ("bucket", "sum", "count"))
    assert found.bounds[:2] == ("0.01", "0.02")
    assert found.bounds[-2:] == ("327.68", "+Inf")
    assert "le" in found.labels


def test_a_gauge_has_one_series_and_a_share_says_ratio():
    found = predicted(names.BUDGET_UTILIZATION)
    assert found.series == (found.counts,) == ("spanwatch_budget_utilization_ratio",)
    assert predicted(names.BUDGET_LIMIT).counts == "spanwatch_budget_limit"
    assert "le" not in found.labels


def test_a_unit_in_braces_adds_nothing():
    assert predicted(names.INPUT_TOKENS).name == "gen_ai_client_inference_usage_input_tokens_total"
    assert predicted(names.AGENT_TOOL_CALLS).counts == "gen_ai_invoke_agent_tool_calls_count"


@pytest.mark.parametrize("metric", names.METRICS, ids=lambda metric: metric.name)
def test_no_two_metrics_share_a_series(metric):
    others = {name for other in names.METRICS if other is not metric for name in predicted(other).series}
    assert not others & set(predicted(metric).series)
    assert predicted(metric).labels >= RESOURCE_LABELS
