"""How each kind of panel looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spanwatch.core import names
from spanwatch.core.prometheus import label_name
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import LETTERS, Panel
from spanwatch.generate.grafana.sdk import sdk

_ENDINGS = {"ok": "green", "error": "red", "cancelled": "yellow", "abandoned": "orange", "refused": "purple"}
_ENDINGS_TOLD = {asking.legend((key,)) for key in (names.OUTCOME, names.CALL_STATUS)}


def _timeseries(found: Any, panel: Panel) -> None:
    common, models = sdk("builders.common"), sdk("models.common")
    legend = common.VizLegendOptions().show_legend(True).display_mode(models.LegendDisplayMode.LIST)
    found.legend(legend.placement(models.LegendPlacement.BOTTOM).calcs([]))
    found.tooltip(common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI).sort(models.SortOrder.DESCENDING))
    found.line_width(1).fill_opacity(30 if panel.stacked else 5).min(0)
    found.show_points(models.VisibilityMode.AUTO)
    if panel.stacked:
        found.stacking(common.StackingConfig().mode(models.StackingMode.NORMAL).group("A"))
    if panel.highest is not None:
        found.axis_soft_max(panel.highest)
    if panel.steps:
        style = common.GraphThresholdsStyleConfig().mode(models.GraphThresholdsStyleMode.DASHED)
        found.thresholds_style(style)
    if any(query.legend in _ENDINGS_TOLD for query in panel.queries):
        for ending, colour in _ENDINGS.items():
            fixed = {"mode": "fixed", "fixedColor": colour}
            found.override_by_name(ending, [sdk("models.dashboard").DynamicConfigValue(id_val="color", value=fixed)])


def _stat(found: Any, panel: Panel) -> None:
    common, models = sdk("builders.common"), sdk("models.common")
    found.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    found.graph_mode(models.BigValueGraphMode.NONE).text_mode(models.BigValueTextMode.AUTO)
    found.color_mode(models.BigValueColorMode.VALUE if panel.steps else models.BigValueColorMode.NONE)
    found.no_value("unknown")


def _bargauge(found: Any, panel: Panel) -> None:
    common, models = sdk("builders.common"), sdk("models.common")
    found.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    found.orientation(models.VizOrientation.HORIZONTAL).display_mode(models.BarGaugeDisplayMode.BASIC)
    found.value_mode(models.BarGaugeValueMode.COLOR).show_unfilled(True).min(0)
    if panel.highest is not None:
        found.max(panel.highest)


def _table(found: Any, panel: Panel) -> None:
    """Queries joined by their labels into one table: names first, then a column for each query."""
    models, common, builders = sdk("models.dashboard"), sdk("models.common"), sdk("builders.common")
    titles = {f"Value #{LETTERS[at]}": name for at, (name, _) in enumerate(panel.columns)}
    if len(panel.columns) == 1:
        titles = {"Value": panel.columns[0][0]}
    transform = models.DataTransformerConfig
    titles |= {label_name(key): asking.word(key) for key in panel.keys}
    found.transformations(
        [
            transform(id_val="merge", options={}),
            transform(id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": titles}),
        ]
    )
    for name, unit in panel.columns:
        found.override_by_name(name, [models.DynamicConfigValue(id_val="unit", value=unit)])
    if panel.link is not None and panel.passes is not None:
        key = asking.word(asking.AXES[panel.passes])
        url = f"/d/{panel.link}?var-{panel.passes}=${{__value.raw}}&${{__url_time_range}}&${{datasource:queryparam}}"
        link = {"title": "Look closer", "url": f"{url}&${{service:queryparam}}"}
        found.override_by_name(key, [models.DynamicConfigValue(id_val="links", value=[link])])
    found.sort_by([builders.TableSortByFieldState().display_name(panel.columns[0][0]).desc(True)])
    found.show_header(True).cell_height(common.TableCellHeight.SM)


def _heatmap(found: Any, panel: Panel) -> None:
    builders = sdk("builders.heatmap")
    found.calculate(False).y_axis(builders.YAxisConfig().unit(panel.unit)).hide_legend()


def _logs(found: Any, _panel: Panel) -> None:
    models = sdk("models.common")
    found.show_time(True).wrap_log_message(True).enable_log_details(True).sort_order(models.LogsSortOrder.DESCENDING)


STYLES: dict[str, Callable[[Any, Panel], None]] = {
    "timeseries": _timeseries,
    "stat": _stat,
    "bargauge": _bargauge,
    "table": _table,
    "heatmap": _heatmap,
    "logs": _logs,
}
