"""What a dashboard is made of. Everything here is plain data: no query or panel knows how Grafana writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "bargauge", "table", "heatmap", "logs", "traces", "alertlist"]
Unit = Literal["s", "currencyUSD", "short", "percentunit", "reqps", "none", "string"]
Source = Literal["prometheus", "loki", "jaeger", "alertmanager"]
Variable = Literal["model", "agent", "tool"]
WIDE, HALF, THIRD, QUARTER = 24, 12, 8, 6
LETTERS = "ABCDEFGHIJKLMNOP"  # what Grafana calls the queries of a panel


@dataclass(frozen=True, slots=True)
class Query:
    """One query. `instant` asks for now (tables, figures), otherwise for the range; `exemplar` for traces of it too."""

    expr: str
    legend: str = ""
    instant: bool = False
    exemplar: bool = False
    source: Source = "prometheus"


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on, a colour; None is the lowest."""

    value: float | None
    colour: Literal["green", "orange", "red", "blue", "text"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `stacked` adds series up, `columns` name the values of a table's queries A, B and so on."""

    title: str
    description: str
    kind: Kind
    unit: Unit
    queries: tuple[Query, ...]
    width: int = HALF
    height: int = 8
    steps: tuple[Step, ...] = ()
    stacked: bool = False
    highest: float | None = None
    columns: tuple[tuple[str, Unit], ...] = ()
    keys: tuple[str, ...] = ()  # the attributes that a table has a row for
    link: str | None = None  # the dashboard that a table's first column leads to
    passes: Variable | None = None  # with this variable set to the row's value


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; `repeat` makes one row for each value of a variable, and folds them up."""

    title: str
    panels: tuple[Panel, ...]
    repeat: Variable | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    logs: bool = False
    traces: bool = False

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of its panels."""
        return tuple(panel for row in self.rows for panel in row.panels)
