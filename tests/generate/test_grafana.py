"""The dashboards: regenerated and compared, derived from the registry, and by the rules of the dashboard linter."""

import json
import re
from pathlib import Path

import pytest

from spanwatch.core import names
from spanwatch.core.prometheus import label_name
from spanwatch.core.rules import making
from spanwatch.core.rules.defaults import defaults
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.boards import BOARDS
from spanwatch.generate.grafana.declared import Panel
from spanwatch.generate.grafana.render import files
from spanwatch.generate.predicted import RESOURCE_LABELS, predicted

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARDS = ROOT / "grafana" / "dashboards"
PANELS = [(board, panel) for board in BOARDS for panel in board.panels]
QUERIES = [
    pytest.param(query.expr, id=f"{board.uid} {panel.title}")
    for board, panel in PANELS
    for query in panel.queries
    if query.source == "prometheus"
]
# What is not ours to name: the rules' own series, what says who reports, the collector's, and its metrics of spans.
FOREIGN = re.compile(r"(ALERTS|target_info|up|otelcol_\w+|traces_span_metrics_\w+)\Z")
SELECTED = re.compile(r"([a-zA-Z_]\w*)\{([^}]*)\}")


def every(metric):
    """The series of a metric."""
    return {*predicted(metric).series, making.series(metric)}


OURS = {series: metric for metric in names.METRICS for series in every(metric)}


@pytest.fixture(scope="module")
def written():
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(board):
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def test_what_is_shipped_is_what_is_generated_byte_for_byte():
    made = files()
    assert made == {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS.glob("*.json")}
    assert files() == made


def test_the_seven_dashboards_are_there():
    assert [board.title.removeprefix("spanwatch / ") for board in BOARDS] == [
        *("Overview", "Cost and budgets", "Latency and errors", "Agents and tools", "Quality", "Traces"),
        "Telemetry health",
    ]


def test_every_metric_of_the_registry_is_used_by_a_panel_or_a_rule():
    asked = " ".join(query.expr for _, panel in PANELS for query in panel.queries)
    asked += " ".join(str(rule.expr) for rule in defaults())
    used = {OURS[series] for series in re.findall(r"[a-zA-Z_]\w*", asked) if series in OURS}
    assert {metric.name for metric in names.METRICS} - {metric.name for metric in used} == set()


@pytest.mark.parametrize("expr", QUERIES)
def test_every_series_and_label_of_a_query_is_in_the_registry(expr):
    found = SELECTED.findall(expr)
    assert found
    for series, matchers in found:
        if FOREIGN.match(series):
            continue
        assert series in OURS, series
        labels = set(re.findall(r"(\w+)\s*[=!]", matchers))
        assert labels <= predicted(OURS[series]).labels | RESOURCE_LABELS, series
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"(?:by|on) \(([^)]*)\)", expr))))
    known = set().union(*(predicted(OURS[series]).labels for series, _ in found if series in OURS))
    assert kept <= known | {"span_name", "le", "exporter", "receiver", *asking.PROCESS}


@pytest.mark.parametrize("expr", QUERIES)
def test_every_query_is_of_the_chosen_service_and_of_a_range_that_grafana_chooses(expr):
    for series, matchers in SELECTED.findall(expr):
        if series != "ALERTS":
            assert 'job=~"$service"' in matchers or 'job="otelcol"' in matchers, series
        assert not re.search(r'(job|instance)="(?!otelcol")', matchers)
    assert set(re.findall(r"\[([^\]]*)\]", expr)) <= {"$__rate_interval", "$__range"}
    assert not re.search(r"\brate\([^)]*\[\$__range\]", expr)
    assert expr.count("(") == expr.count(")")


def test_a_query_of_no_metric_or_label_would_be_noticed():
    stranger = names.Metric("spanwatch.no.such", "counter", "{call}", "None.", ())
    with pytest.raises(ValueError, match="not in METRICS"):
        asking.selector(stranger)
    with pytest.raises(ValueError, match="has no label gen_ai_agent_name"):
        asking.selector(names.INFERENCE_DURATION, "", 'gen_ai_agent_name="x"')


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda each: each.title)
def test_every_panel_says_what_it_shows(board, panel: Panel):
    assert panel.title
    assert panel.description.endswith(".")
    assert panel.width in {4, 6, 8, 12, 24}
    if panel.kind not in {"alertlist", "logs", "traces"}:
        assert panel.unit != "none"
    assert bool(panel.queries) == (panel.kind != "alertlist")


def test_every_panel_has_a_data_source_by_variable_a_unit_and_a_place(written):
    for board in written.values():
        variables = {each["name"] for each in board["templating"]["list"]}
        assert {"datasource", "service", "environment"} <= variables
        ids = [panel["id"] for panel in panels(board) if "id" in panel]
        assert len(set(ids)) == len(ids)
        for panel in panels(board):
            if panel["type"] == "row":
                continue
            assert panel["title"], board["title"]
            assert panel["description"], panel["title"]
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            if panel["type"] == "alertlist":
                continue
            named = panel["datasource"]["uid"]
            assert re.fullmatch(r"\$\{(datasource|logs|traces)\}", named)
            assert named[2:-1] in variables
            if panel["datasource"]["type"] == "prometheus":
                assert panel["fieldConfig"]["defaults"]["unit"]
            for target in panel["targets"]:
                assert target["refId"]


def test_no_panel_lies_upon_another(written):
    for board in written.values():
        for group in (board["panels"], *(panel["panels"] for panel in board["panels"] if panel.get("panels"))):
            taken = {}
            for panel in group:
                place = panel["gridPos"]
                for x in range(place["x"], place["x"] + place["w"]):
                    for y in range(place["y"], place["y"] + place["h"]):
                        assert (x, y) not in taken, (board["title"], panel["title"], taken.get((x, y)))
                        taken[x, y] = panel["title"]


def test_classic_json_of_the_current_schema_that_nobody_edits_by_hand(written):
    for name, board in written.items():
        assert board["schemaVersion"] >= 42
        assert board["uid"] == name.removesuffix(".json")
        assert "spanwatch" in board["tags"]
        assert board["editable"] is False
        assert board.get("id") is None
        assert [mark["name"] for mark in board["annotations"]["list"]] == ["Alerts", "Deployments"]


def test_thresholds_are_those_of_the_rules():
    found = {panel.title: panel for _, panel in PANELS}
    bounds = {rule.name: float(str(rule.expr).split()[-1]) for rule in defaults()}
    for title, rule in (
        ("Mean duration", "SlowResponses"),
        ("Cost unknown", "CostIsUnknown"),
        ("Used", "BudgetIsSpent"),
        ("Cost a day", "SpendIsHigh"),
        ("Part of model calls that failed", "HighCallErrorRate"),
    ):
        assert bounds[rule] in [step.value for step in found[title].steps], title
    assert 1 - bounds["HighErrorRate"] in [step.value for step in found["Success rate"].steps]
    assert bounds["LowRatings"] in [step.value for step in found["Average rating"].steps]
    assert bounds["BudgetIsNearlySpent"] in [step.value for step in found["Used"].steps]


def test_a_thousand_agents_are_twenty_choices(written):
    choices = [each for board in written.values() for each in board["templating"]["list"] if each["name"] == "agent"]
    assert choices
    for choice in choices:
        query = choice["query"]["query"]
        assert query.startswith("query_result(topk(20, sum by (gen_ai_agent_name) (increase(")
        assert re.compile(choice["regex"].strip("/")).search('{gen_ai_agent_name="orders"} 1 2')[1] == "orders"
        assert "allValue" not in choice  # all is all that are listed
    for _, panel in PANELS:
        for query in panel.queries:
            by_agent = label_name(names.AGENT_NAME) in "".join(re.findall(r"by \(([^)]*)\)", query.expr))
            assert not by_agent or "topk(20" in query.expr or "$agent" in query.expr, panel.title


@pytest.mark.parametrize("expr", QUERIES)
def test_no_panel_has_a_line_for_each_of_a_thousand_names(expr):
    """What there may be any number of is ranked, or chosen by a variable, which has twenty values."""
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expr))))
    for key in {label_name(each) for each in asking.UNBOUNDED} & kept:
        chosen = re.search(rf'{key}=~"\$\w+"', expr)
        assert "topk(20, " in expr or chosen, f"{key} is not bounded"


def test_exemplars_of_durations_lead_to_traces():
    asked = [panel.title for _, panel in PANELS for query in panel.queries if query.exemplar]
    assert {"Duration of requests", "Duration of model calls", "Duration of runs", "Duration of tools"} <= set(asked)


@pytest.mark.parametrize(
    ("name", "variable", "titles"),
    [
        ("agents", "agent", ["Cost an hour", "Model calls", "Duration of runs"]),
        ("latency", "model", ["Duration of its calls", "Its calls by status", "Its failures by kind"]),
        ("cost", "model", ["Its cost an hour by agent", "Its cost an hour by status", "Its tokens"]),
    ],
)
def test_a_row_of_each_is_repeated_and_folded_up(written, name, variable, titles):
    """Of at most twenty values, and nothing is asked before somebody unfolds one."""
    (row,) = [panel for panel in written[f"spanwatch-{name}.json"]["panels"] if panel.get("repeat")]
    assert (row["type"], row["repeat"], row["collapsed"]) == ("row", variable, True)
    assert row["title"].endswith(f"${variable}")
    assert [panel["title"] for panel in row["panels"]] == titles
    for panel in row["panels"]:
        for target in panel["targets"]:
            assert f'=~"${variable}"' in target["expr"]


def test_names_lead_to_the_dashboard_that_explains_them(written):
    table = next(panel for panel in panels(written["spanwatch-cost.json"]) if panel["title"] == "Models"
                 and panel["type"] == "table")  # fmt: skip
    links = [each for each in table["fieldConfig"]["overrides"] if each["matcher"]["options"] == "model"]
    assert "/d/spanwatch-latency?var-model=${__value.raw}" in json.dumps(links)
    uids = {board.uid for board in BOARDS}
    assert {panel.link for _, panel in PANELS if panel.link} <= uids
