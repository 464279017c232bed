"""Charts drawn as SVG by pygal: no script, colours from the page's own style, a native tooltip on each bar."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from typing import Any

from spanwatch.core.errors import UsageError
from spanwatch.reports.figures import number
from spanwatch.reports.html.markup import Markup, tag, verbatim
from spanwatch.reports.parts import Chart, Series

_WIDTH, _HEIGHT, _LABELS = 900, 260, 8
_DROPPED = ("defs", "title")


def drawn(chart: Chart) -> Markup:
    """A figure with its legend.

    Raises:
        UsageError: pygal is not installed.
    """
    root = _plotted(chart)
    _prune(root)
    for series, bars in zip(chart.series, _bars(root), strict=True):
        for at, bar in enumerate(bars):
            _describe(bar, chart, series, at)
    root.set("role", "img")
    root.set("aria-label", chart.title)
    legend = [tag("li", tag("i", class_=f"key color-{at}"), each.name) for at, each in enumerate(chart.series)]
    return tag(
        "figure",
        tag("figcaption", f"{chart.title} ({chart.unit})"),
        verbatim(ET.tostring(root, encoding="unicode", short_empty_elements=False)),
        tag("ul", legend, class_="legend") if len(chart.series) > 1 else None,
        class_="chart",
    )


def _plotted(chart: Chart) -> Any:
    pygal = _pygal()
    plot = pygal.StackedBar(
        css=[],
        js=[],
        width=_WIDTH,
        height=_HEIGHT,
        show_legend=False,
        margin=8,
        spacing=2,
        show_x_guides=False,
        x_label_rotation=0,
        show_minor_x_labels=False,
        truncate_label=-1,
        value_formatter=_value if chart.unit == "USD" else lambda value: number(int(value)),
    )
    plot.x_labels = list(chart.labels)
    every = max(1, -(-len(chart.labels) // _LABELS))
    plot.x_labels_major = list(chart.labels) if len(chart.labels) <= 16 else list(chart.labels[::every])
    for at, each in enumerate(chart.series):
        plot.add(str(at), [value or 0 for value in each.values])
    return plot.render_tree()


def _prune(root: ET.Element) -> None:
    """Take out what only pygal's own script and style need, and its remarks about itself."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _DROPPED or callable(child.tag) or "overlay" in child.get("class", ""):
                parent.remove(child)


def _bars(root: ET.Element) -> list[list[ET.Element]]:
    """The bars of each series, in the order of the labels."""
    series = [each for each in root.iter("g") if each.get("class", "").startswith("series serie-")]
    return [[bar for bar in each.iter("g") if bar.get("class") == "bar"] for each in series]


def _describe(bar: ET.Element, chart: Chart, series: Series, at: int) -> None:
    """What pygal tells its script, as a title that every browser shows; the bar of nothing is taken out."""
    for child in bar.findall("desc"):
        bar.remove(child)
    box = bar.find("rect")
    if box is None:
        return
    if not series.values[at]:
        bar.remove(box)
        return
    name = series.name if len(chart.series) > 1 else ""
    ET.SubElement(box, "title").text = " · ".join(filter(None, (chart.labels[at], name, series.texts[at])))


def _value(value: float) -> str:
    return f"${value:g}" if value < 1000 else f"${value:,.0f}"


def _pygal() -> Any:
    try:
        import pygal  # type: ignore[import-untyped]  # noqa: PLC0415 (optional extra; it ships no types)
    except ImportError:
        raise UsageError(
            "a page needs pygal, which draws its charts: pip install 'spanwatch[html]' (--markdown needs nothing)"
        ) from None
    # It hooks into every later import of the process, for plug-ins of its own that nothing here uses.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    return pygal
