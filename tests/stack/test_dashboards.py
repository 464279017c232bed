"""Every query of every panel, mark and variable of the dashboards, asked of the real back ends after real traffic."""

import json
import re
import sqlite3
import time
import urllib.parse
from pathlib import Path

import pytest
from stack_rig import eventually, fetched, filled_in, run_traffic

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
SERVICE, FAULTY = "dashboards", "faulty"
RANGE_S, STEP_S = 3600, 15
# What Grafana would write for its variables. The programs of this test live for seconds, so rates look back far.
WRITTEN = {
    "$__rate_interval": "10m", "$__range_s": str(RANGE_S), "$__range": f"{RANGE_S}s", "$__interval": "1m",
    "$service": f"{SERVICE}.*|{FAULTY}", "$environment": ".*", "$model": ".*", "$agent": ".*",
}  # fmt: skip
# Series that there are only when something goes wrong, in the collector or on the way there.
ONLY_IN_TROUBLE = re.compile(
    r"otelcol_(exporter_(send|enqueue)_failed|receiver_refused)_|spanwatch_telemetry_unrecognised_total"
)


def panels(board):
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def boards():
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]


def targets(kind):
    return [
        pytest.param(panel, target, id=f"{board['uid']}: {panel['title']} {target['refId']}")
        for board in boards()
        for panel in panels(board)
        for target in panel.get("targets", ())
        if panel.get("datasource", {}).get("type") == kind
    ]


def written(expr):
    return filled_in(expr, WRITTEN)


@pytest.fixture(scope="module")
def home(stack, server, faults, tmp_path_factory):
    """Traffic with every metric, that of faults too; what its own store kept."""
    home = tmp_path_factory.mktemp("dashboards")
    run_traffic(server, SERVICE, home, stack.endpoint, repeats=3)
    run_traffic(server, f"{SERVICE}-failing", tmp_path_factory.mktemp("failing"), stack.endpoint, "fails")
    eventually(lambda: stack.prometheus.total(f'spanwatch_calls_total{{job="{FAULTY}"}}'), "calls in Prometheus")
    eventually(
        lambda: stack.prometheus.total(f'traces_span_metrics_calls_total{{job=~"{SERVICE}.*"}}'), "metrics of spans"
    )
    return home


def asked(stack, target, expr):
    """What Grafana would get: the label sets and values of a range, or of now."""
    now = time.time()
    if target.get("instant"):
        return [(labels, [value]) for labels, value in stack.prometheus.query(expr)]
    query = {"query": expr, "start": now - RANGE_S, "end": now, "step": STEP_S}
    answer = fetched(f"{stack.prometheus.root}/api/v1/query_range?{urllib.parse.urlencode(query)}")
    assert answer["status"] == "success"
    return [(each["metric"], [float(value) for _, value in each["values"]]) for each in answer["data"]["result"]]


@pytest.mark.parametrize(("panel", "target"), targets("prometheus"))
def test_a_query_of_a_panel_gives_data_of_its_shape(stack, home, panel, target):
    expr = written(target["expr"])
    found = asked(stack, target, expr)
    if not found and ONLY_IN_TROUBLE.search(expr):
        parsed = fetched(f"{stack.prometheus.root}/api/v1/parse_query?{urllib.parse.urlencode({'query': expr})}")
        assert parsed["status"] == "success"
        return
    found = found or eventually(lambda: asked(stack, target, expr), expr)
    numbers = [value for _, values in found for value in values if value == value]  # noqa: PLR0124 (not NaN)
    assert numbers, expr
    assert all(value >= 0 for value in numbers)
    named = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
    for labels, _ in found:
        assert labels.keys() <= named | {"le"} or panel["type"] == "table", "a line that its legend does not tell apart"
    if panel["type"] == "stat":
        assert len(found) == 1
        assert found[0][0] == {}
    if panel["fieldConfig"]["defaults"]["unit"] == "percentunit" and panel["title"] != "Rated":
        assert all(value <= 1.000001 for value in numbers)
    if panel["type"] == "heatmap":
        assert {"+Inf"} < {labels["le"] for labels, _ in found}


def figure(stack, uid, title):
    """The number of a panel."""
    board = next(board for board in boards() if board["uid"] == uid)
    panel = next(panel for panel in panels(board) if panel["title"] == title and panel["type"] == "stat")
    (target,) = panel["targets"]
    expr = written(target["expr"]).replace(WRITTEN["$service"], SERVICE)
    ((_, value),) = eventually(lambda: stack.prometheus.query(expr), expr)
    return value


def test_ratios_are_exactly_those_of_the_store(stack, home):
    with sqlite3.connect(home / "store.db") as db:
        ask = "SELECT sum({}) FROM calls WHERE counted"
        calls, unpriced, cached, tokens = (
            db.execute(ask.format(what)).fetchone()[0]
            for what in (
                "1",
                "nano_usd IS NULL AND status <> 'error'",
                "cache_read_tokens",
                "CASE WHEN operation <> 'embeddings' THEN input_tokens END",
            )
        )
    db.close()
    assert figure(stack, "spanwatch-overview", "Cost unknown") == pytest.approx(unpriced / calls)
    assert figure(stack, "spanwatch-cost", "Input from cache") == pytest.approx(cached / tokens)
    assert figure(stack, "spanwatch-overview", "Success rate") == pytest.approx(1.0)
    assert figure(stack, "spanwatch-quality", "Average rating") == pytest.approx(3.0)
    assert figure(stack, "spanwatch-quality", "Low ratings") == pytest.approx(0.5)


def test_sums_are_those_of_the_store_as_far_as_prometheus_extrapolates(stack, home):
    with sqlite3.connect(home / "store.db") as db:
        nano, calls = db.execute("SELECT sum(nano_usd), count(*) FROM calls WHERE counted").fetchone()
    db.close()
    cost, made = figure(stack, "spanwatch-cost", "Cost"), figure(stack, "spanwatch-overview", "Model calls")
    assert 0.9 * nano / 1e9 <= cost <= 1.7 * nano / 1e9
    assert 0.9 * calls <= made <= 1.7 * calls


@pytest.mark.parametrize(
    "mark",
    [pytest.param(mark, id=mark["name"]) for mark in boards()[0]["annotations"]["list"]],
)
def test_a_mark_is_a_query_that_prometheus_takes(stack, home, mark):
    expr = written(mark["target"]["expr"])
    answer = fetched(f"{stack.prometheus.root}/api/v1/query?{urllib.parse.urlencode({'query': expr})}")
    assert answer["status"] == "success"


def test_variables_list_what_there_is(stack, home):
    found = {}
    for board in boards():
        for variable in board["templating"]["list"]:
            if variable["type"] != "query":
                continue
            query = written(variable["query"]["query"])
            if listed := re.fullmatch(r"label_values\((.*), (\w+)\)", query):
                where = urllib.parse.urlencode({"match[]": listed[1]})
                answer = fetched(f"{stack.prometheus.root}/api/v1/label/{listed[2]}/values?{where}")["data"]
            else:
                expr = re.fullmatch(r"query_result\((.*)\)", query)[1]
                texts = [json.dumps(labels).replace('": "', '="') for labels, _ in stack.prometheus.query(expr)]
                pattern = re.compile(variable["regex"].strip("/").replace('="', '="'))
                answer = [match[1] for text in texts if (match := pattern.search(text))]
            found.setdefault(variable["name"], set()).update(answer)
    assert {SERVICE, FAULTY} <= found["service"]
    assert "dev" in found["environment"]
    assert "gpt-4o-mini" in found["model"]
    assert "planner" in found["agent"]


@pytest.mark.parametrize(("panel", "target"), targets("jaeger"))
def test_traces_are_found_as_grafana_asks_for_them(stack, home, panel, target):
    assert (target["queryType"], target["service"]) == ("search", "$service")
    query = urllib.parse.urlencode({"service": SERVICE, "limit": target["limit"], "lookback": "1h"})
    found = eventually(lambda: fetched(f"{stack.jaeger.root}/api/traces?{query}")["data"], "traces in Jaeger")
    assert len(found) == 3


@pytest.mark.parametrize(("panel", "target"), targets("loki"))
def test_log_records_come_with_their_trace(stack, home, panel, target):
    found = eventually(lambda: stack.loki.records(written(target["expr"])), "records in Loki")
    assert all(re.fullmatch(r"[0-9a-f]{32}", labels["trace_id"]) for labels, _ in found)
