"""Dashboards as Grafana's classic JSON, authored with grafana-foundation-sdk: the same boards give the same bytes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from spanwatch.generate.grafana import variables
from spanwatch.generate.grafana.boards import BOARDS
from spanwatch.generate.grafana.declared import LETTERS, Board, Panel, Query, Row
from spanwatch.generate.grafana.sdk import sdk, source
from spanwatch.generate.grafana.styles import STYLES

TAG = "spanwatch"
_SOURCES = {"prometheus": "datasource", "loki": "logs", "jaeger": "traces"}  # and the variables that name them


def files(boards: Sequence[Board] = BOARDS) -> dict[str, str]:
    """The text of each dashboard by its file name.

    Raises:
        UsageError: grafana-foundation-sdk is not installed.
    """
    return {f"{board.uid}.json": text(board) for board in boards}


def text(board: Board) -> str:
    """One dashboard as JSON.

    Raises:
        UsageError: as `files`.
    """
    encoder = sdk("cog.encoder").JSONEncoder
    plain = json.loads(json.dumps(_built(board), cls=encoder))
    _tidy(plain)
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _tidy(board: dict[str, Any]) -> None:
    """Number the panels, and take out what the SDK writes and Grafana's own types do not have."""
    numbers = itertools.count(1)
    for variable in board["templating"]["list"]:
        for key in ("auto", "auto_min", "auto_count"):
            variable.pop(key, None)
    for panel in board["panels"]:
        for each in (panel, *panel.get("panels", ())):
            each["id"] = next(numbers)
            each.get("options", {}).pop("footer", None)


def _built(board: Board) -> Any:
    dashboard, models = sdk("builders.dashboard"), sdk("models.dashboard")
    found = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    link = dashboard.DashboardLink("spanwatch").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    found.link(link.include_vars(True).keep_time(True).as_dropdown(True).icon("external link").tooltip("").url(""))
    for variable in variables.of(board):
        found.with_variable(variable)
    for annotation in variables.marks():
        found.annotation(annotation)
    for row in board.rows:
        _add(found, row)
    built = found.build()
    built.id_val = None
    return built


def _add(found: Any, row: Row) -> None:
    """A row and its panels; a repeated one is folded up and holds its panels itself."""
    head = sdk("builders.dashboard").Row(row.title)
    if row.repeat is None:
        found.with_row(head)
        for panel in row.panels:
            found.with_panel(_panel(panel))
        return
    head.repeat(row.repeat).collapsed(True)
    for panel in row.panels:
        head.with_panel(_panel(panel))
    found.with_row(head)


def _panel(panel: Panel) -> Any:
    if panel.kind in {"alertlist", "traces"}:
        return _Plain(panel)
    module = sdk(f"builders.{panel.kind}")
    found = module.Panel().title(panel.title).description(panel.description).span(panel.width).height(panel.height)
    found.datasource(_source(panel.queries[0])).unit(panel.unit)
    for letter, query in zip(LETTERS, panel.queries, strict=False):
        found.with_target(_target(query, letter, panel))
    if panel.steps:
        models, steps = sdk("models.dashboard"), sdk("builders.dashboard").ThresholdsConfig()
        wanted = [models.Threshold(value=step.value, color=step.colour) for step in panel.steps]
        found.thresholds(steps.mode(models.ThresholdsMode.ABSOLUTE).steps(wanted))
    STYLES[panel.kind](found, panel)
    return found


def _source(query: Query) -> Any:
    return source(query.source, _SOURCES[query.source])


def _target(query: Query, letter: str, panel: Panel) -> Any:
    if query.source == "loki":
        return sdk("builders.loki").Dataquery().expr(query.expr).query_type("range").max_lines(200).ref_id(letter)
    models = sdk("models.prometheus")
    found = sdk("builders.prometheus").Dataquery().expr(query.expr).ref_id(letter).datasource(_source(query))
    found.editor_mode(models.QueryEditorMode.CODE)
    if query.legend:
        found.legend_format(query.legend)
    if query.exemplar:
        found.exemplar(True)
    if panel.kind == "heatmap":
        found.format(models.PromQueryFormat.HEATMAP)
    elif panel.kind == "table":
        found.format(models.PromQueryFormat.TABLE)
    return found.instant() if query.instant else found.range()


class _Plain:
    """A panel of a kind that the SDK has no builder for."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    def build(self) -> Any:
        """The SDK's own model of any panel."""
        models, panel = sdk("models.dashboard"), self._panel
        place = models.GridPos(h=panel.height, w=panel.width, x=0, y=0)
        fields = models.FieldConfigSource(defaults=models.FieldConfig(), overrides=[])
        common: dict[str, Any] = {"title": panel.title, "description": panel.description, "grid_pos": place}
        common["field_config"] = fields
        if panel.kind == "alertlist":
            return models.Panel(type_val="alertlist", options=variables.ALERT_LIST, targets=[], **common)
        query = panel.queries[0]
        search = {"refId": "A", "queryType": "search", "service": query.expr, "limit": 20, "datasource": _source(query)}
        return models.Panel(type_val="table", datasource=_source(query), targets=[search], options={}, **common)
