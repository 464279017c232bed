"""A report as parts: remarks, tables, charts and traces, which a page or a Markdown text then writes down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spanwatch.reports.table import Cell, Column
from spanwatch.store.trace import Trace
from spanwatch.store.traces import TraceLine

MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; `more` are those that are left out."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """One name's values, each with the text that is shown for it; None is unknown or nothing."""

    name: str
    values: tuple[float | None, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over labels, those of several series one upon the other. `unit` is what values are written in."""

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: Literal["USD", "calls"]


@dataclass(frozen=True, slots=True)
class Tree:
    """One trace; without `trace` it has too many spans to be drawn."""

    line: TraceLine
    trace: Trace | None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a report. `key` is unique and fit for an address; an empty part is left out."""

    key: str
    title: str
    remarks: tuple[Cell, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    trees: tuple[Tree, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.remarks or self.charts or self.tables or self.trees)


def table_of(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], most: int = MOST_ROWS) -> Table:
    """The first `most` rows, and how many more there are."""
    return Table(title, tuple(columns), tuple(tuple(row) for row in rows[:most]), max(0, len(rows) - most))
