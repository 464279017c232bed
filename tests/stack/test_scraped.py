"""The dashboards on a real Prometheus that scrapes `/metrics` of a running application: no collector, no OTLP."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import pytest
from stack_rig import ROOT, Prometheus, ended, eventually, fetched, filled_in

from spanwatch.cli.stack_processes import answers, free_ports, last_words
from spanwatch.core import names
from spanwatch.generate.grafana.boards import BOARDS
from spanwatch.generate.predicted import predicted

JOB, RANGE_S = "desk", 60
WRITTEN = {
    "$__rate_interval": "30s", "$__range_s": str(RANGE_S), "$__range": f"{RANGE_S}s", "$service": JOB,
    "$environment": ".*", "$model": ".*", "$agent": ".*",
}  # fmt: skip
# What only a collector or the way to one makes, and what this traffic has no fault for.
ELSEWHERE = re.compile(
    r"otelcol|traces_span_metrics_|spanwatch_delivery_|spanwatch_telemetry_|spanwatch_budget_unenforced"
)
PANELS = [
    pytest.param(panel, query, id=f"{board.uid}: {panel.title} {number}")
    for board in BOARDS
    for panel in board.panels
    for number, query in enumerate(panel.queries)
    if query.source == "prometheus" and not ELSEWHERE.search(query.expr)
]
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: {job}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def written(expr):
    return filled_in(expr, WRITTEN)


@pytest.fixture(scope="module")
def prometheus(binaries_here, server, tmp_path_factory):
    """Prometheus, and an application that it scrapes while it works."""
    place, ports = tmp_path_factory.mktemp("scraped"), free_ports(["application", "prometheus"])
    (place / "prometheus.yml").write_text(CONFIG.format(job=JOB, port=ports["application"]), encoding="utf-8")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_", "COVERAGE_"))}
    clean |= {"SPANWATCH_METRICS_PORT": str(ports["application"]), "SPANWATCH_BANNER": "off"}
    words = [str(ROOT / "tests" / "stack" / "traffic.py"), server.base_url, "desk", str(place / "home"), "1", "stays"]
    root, log = f"http://127.0.0.1:{ports['prometheus']}", place / "prometheus.log"
    flags = [f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'data'}"]
    flags.append(f"--web.listen-address=127.0.0.1:{ports['prometheus']}")
    pipe = subprocess.PIPE
    with (
        log.open("wb") as out,
        subprocess.Popen([sys.executable, *words], env=clean, stdin=pipe, stdout=out, stderr=out) as application,
        ended(application),
        ended(subprocess.Popen([binaries_here / "prometheus", *flags], stdout=out, stderr=out)),
    ):
        eventually(lambda: answers(f"{root}/-/ready"), "Prometheus")
        found = Prometheus(root)
        grown = f'min(increase(spanwatch_calls_total{{job="{JOB}"}}[30s])) > 2'
        try:
            eventually(lambda: found.query(grown), "an application that is scraped and works")
        except AssertionError as error:
            raise AssertionError(last_words(log, 20)) from error
        yield found


@pytest.mark.parametrize(("panel", "query"), PANELS)
def test_a_panel_says_the_same_of_what_is_scraped(prometheus, panel, query):
    """Names and labels are those that OTLP gives: each query of each panel has data, and each line its own name."""
    expr = written(query.expr)

    def asked():
        if query.instant:
            return [(labels, [value]) for labels, value in prometheus.query(expr)]
        now = time.time()
        more = {"query": expr, "start": now - RANGE_S, "end": now, "step": 1}
        answer = fetched(f"{prometheus.root}/api/v1/query_range?{urllib.parse.urlencode(more)}")
        return [(each["metric"], [float(value) for _, value in each["values"]]) for each in answer["data"]["result"]]

    def numbers():
        return [value for _, values in asked() for value in values if value == value]  # noqa: PLR0124 (not NaN)

    assert min(eventually(numbers, expr)) >= 0
    named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
    for labels, _ in asked():
        assert labels.keys() <= named | {"le"} or panel.kind == "table", "a line that its legend does not tell apart"


def test_labels_of_what_is_scraped_are_those_of_the_registry(prometheus):
    """And beside them those of Prometheus, and of the process."""
    query = urllib.parse.urlencode({"match[]": f'{{job="{JOB}"}}'})
    found = {}
    for each in fetched(f"{prometheus.root}/api/v1/series?{query}")["data"]:
        found.setdefault(each.pop("__name__"), set()).update(each)
    seen = 0
    for metric in names.METRICS:
        told = predicted(metric)
        for series in told.series:
            if series in found:
                seen += 1
                assert (
                    found[series] - told.labels - {"job", "instance", "le", "process_pid", "service_name"} == set()
                ), series
    assert seen > 30


def test_the_variables_of_the_dashboards_have_what_is_scraped(prometheus):
    (board,) = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in [Path(ROOT / "grafana" / "dashboards" / "spanwatch-cost.json")]
    ]
    chosen = {each["name"]: each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"}
    metric = re.fullmatch(r"label_values\((\w+), job\)", chosen["service"])[1]
    where = urllib.parse.urlencode({"match[]": metric})
    assert fetched(f"{prometheus.root}/api/v1/label/job/values?{where}")["data"] == [JOB]
    for name, value in (("model", "gpt-4o-mini"), ("agent", "planner")):
        expr = written(re.fullmatch(r"query_result\((.*)\)", chosen[name])[1])
        assert value in {text for labels, _ in prometheus.query(expr) for text in labels.values()}
