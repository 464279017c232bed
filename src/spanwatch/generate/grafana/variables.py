"""What dashboards share: variables, and the marks of alerts and deployments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spanwatch.core import names
from spanwatch.core.prometheus import label_name
from spanwatch.core.rules.making import series
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import Board, Variable
from spanwatch.generate.grafana.sdk import sdk, source

_RANKED: dict[Variable, names.Metric] = {
    "model": names.COST, "agent": names.COST, "tool": names.TOOL_DURATION,
}  # fmt: skip
_PART = {"histogram": "_count"}
# Of the data source that the variable names, whatever made the alert.
ALERT_LIST: dict[str, Any] = {
    "viewMode": "list", "groupMode": "default", "groupBy": [], "maxItems": 20, "sortOrder": 1, "dashboardAlerts": False,
    "alertName": "", "alertInstanceLabelFilter": "", "datasource": "Alertmanager", "folder": None,
    "stateFilter": {"firing": True, "pending": True, "noData": False, "normal": False, "error": True,
                    "recovering": True},
}  # fmt: skip


def of(board: Board) -> Iterator[Any]:
    """Builders of the variables of a board: data sources, then service and environment, then its own."""
    yield _source("datasource", "prometheus", "Metrics")
    if board.traces:
        yield _source("traces", "jaeger", "Traces")
    if board.logs:
        yield _source("logs", "loki", "Logs")
    calls = series(names.CALLS)
    several = not board.traces  # Jaeger searches one service
    yield _values("service", f"label_values({calls}, job)", "Service", several=several, all_value=".*")
    environment = f'label_values({calls}{{job=~"$service"}}, deployment_environment_name)'
    yield _values("environment", environment, "Environment", several=True, all_value=".*")
    for name in board.variables:
        yield _ranked(name)


def marks() -> Iterator[Any]:
    """When rules fired, and when a version of a service was new."""
    firing = f'ALERTS{{alertstate="firing", {asking.EVERYWHERE[0]}}} or ALERTS{{alertstate="firing", job=""}}'
    versions = f'count by (job, service_version) (target_info{{{asking.EVERYWHERE[0]}, service_version!=""}}'
    yield _annotation("Alerts", firing, "{{alertname}}", "{{severity}}", colour="red")
    new = f"{versions}) unless {versions} offset $__interval)"
    yield _annotation("Deployments", new, "{{job}} {{service_version}}", "deployed", colour="blue")


def _source(name: str, kind: str, label: str) -> Any:
    return sdk("builders.dashboard").DatasourceVariable(name).label(label).type(kind)


def _values(name: str, query: str, label: str, *, several: bool, all_value: str | None) -> Any:
    dashboard, models = sdk("builders.dashboard"), sdk("models.dashboard")
    found = dashboard.QueryVariable(name).label(label).query({"query": query, "refId": name})
    found.datasource(source("prometheus", "datasource")).refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    found.sort(models.VariableSort.ALPHABETICAL_ASC).multi(several)
    if several:
        found.include_all(True).current(models.VariableOption(text="All", value="$__all", selected=True))
        if all_value is not None:
            found.all_value(all_value)
    return found


def _ranked(name: Variable) -> Any:
    """The values with most of it in the range of the dashboard: all of a thousand agents would be no choice."""
    metric, key = _RANKED[name], label_name(asking.AXES[name])
    chosen = f'{series(metric, _PART.get(metric.kind, ""))}{{{", ".join(asking.EVERYWHERE)}, {key}!=""}}'
    query = f"query_result(topk({asking.MOST}, sum by ({key}) (increase({chosen}[{asking.RANGE}]))))"
    found = _values(name, query, name.capitalize(), several=True, all_value=None)
    return found.regex(f'/{key}="([^"]+)"/')


def _annotation(name: str, expr: str, title: str, text: str, *, colour: str) -> Any:
    metrics = source("prometheus", "datasource")
    query = sdk("builders.prometheus").Dataquery().expr(expr).interval("60s").ref_id("A").datasource(metrics)
    found = sdk("builders.dashboard").AnnotationQuery().name(name).datasource(metrics).target(query).enable(True)
    return found.hide(False).icon_color(colour).title_format(title).text_format(text)
