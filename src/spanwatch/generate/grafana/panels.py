"""Panels in the shapes that the dashboards share."""

from __future__ import annotations

from collections.abc import Sequence

from spanwatch.core.names import Metric
from spanwatch.core.prometheus import label_name
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.asking import By
from spanwatch.generate.grafana.declared import HALF, QUARTER, WIDE, Panel, Query, Step, Unit, Variable

_UNITS: dict[str, Unit] = {"s": "s", "{USD}": "currencyUSD"}


def unit_of(metric: Metric) -> Unit:
    """What values of a metric are shown in."""
    return _UNITS.get(metric.unit, "short")


def figure(
    title: str, description: str, expr: str, unit: Unit, *, steps: Sequence[Step] = (), width: int = QUARTER
) -> Panel:
    """One number over the range of the dashboard."""
    return Panel(title, description, "stat", unit, (Query(expr, instant=True),), width, 4, tuple(steps))


def lines(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    width: int = HALF,
    steps: Sequence[Step] = (),
    stacked: bool = False,
    highest: float | None = None,
) -> Panel:
    """Lines over time."""
    return Panel(title, description, "timeseries", unit, queries, width, 8, tuple(steps), stacked, highest)


def by(expr: str, keys: By) -> Query:
    """A line for each value of some attributes: the highest where there may be any number and no variable chooses."""
    free = [key for key in keys if key in asking.UNBOUNDED and f'{label_name(key)}=~"$' not in expr]
    bounded = asking.most(expr) if free and "topk(" not in expr else expr
    return Query(bounded, asking.legend(keys))


def percentiles(
    metric: Metric, title: str, *, narrow: Sequence[Variable] = (), width: int = HALF, steps: Sequence[Step] = ()
) -> Panel:
    """p50, p95 and p99 of a histogram, with exemplars that lead to traces."""
    queries = [
        Query(asking.quantile(share, metric, narrow=narrow), f"p{share * 100:g}", exemplar=share == 0.95)
        for share in (0.5, 0.95, 0.99)
    ]
    text = f"{metric.description} Percentiles are interpolated within buckets; the dots are traces."
    return lines(title, text, unit_of(metric), *queries, width=width, steps=steps)


def spread(metric: Metric, title: str, *, narrow: Sequence[Variable] = (), width: int = HALF) -> Panel:
    """How a histogram's observations are spread, over time."""
    chosen = asking.selector(metric, "_bucket", narrow=narrow)
    query = Query(f"sum by (le) (increase({chosen}[{asking.RATE}]))", "{{le}}")
    return Panel(title, metric.description, "heatmap", unit_of(metric), (query,), width)


def ranking(title: str, description: str, unit: Unit, expr: str, keys: By, *, width: int = HALF) -> Panel:
    """The highest of a range as bars."""
    blue = (Step(None, "blue"),)
    query = Query(asking.most(expr), asking.legend(keys), instant=True)
    return Panel(title, description, "bargauge", unit, (query,), width, steps=blue)


def sheet(
    title: str,
    description: str,
    keys: By,
    columns: Sequence[tuple[str, Unit, str]],
    *,
    width: int = WIDE,
    link: str | None = None,
    passes: Variable | None = None,
) -> Panel:
    """A table: a row for each of the highest of the first expression, a column for each: (name, unit, expression)."""
    first, *rest = columns
    rows = asking.most(first[2])
    others = [f"({expr}) and {asking.on(keys)} {rows}" for _, _, expr in rest]
    queries = [Query(expr, instant=True) for expr in (rows, *others)]
    return Panel(
        title,
        description,
        "table",
        first[1],
        tuple(queries),
        width,
        8,
        keys=tuple(keys),
        columns=tuple((name, unit) for name, unit, _ in columns),
        link=link,
        passes=passes,
    )
