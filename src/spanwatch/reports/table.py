"""Aligned columns: a function of the cells and the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanwatch.reports.screen import MOST_CELLS, Screen, Style, cells, fit

GAP = "  "
_LEAST = 12  # columns that the flexible one keeps however narrow the terminal


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and whether its cells are numbers (aligned right) or give way when room is short (flexible)."""

    heading: str
    right: bool = False
    flexible: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """Clean text and its style."""

    text: str
    style: Style = ""


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], screen: Screen, *, indent: str = "") -> list[str]:
    """Lines: the headings, then the rows."""
    head = [Cell(column.heading, "dim") for column in columns]
    everything = [head, *rows]
    widths = [min(max(cells(row[at].text) for row in everything), MOST_CELLS) for at in range(len(columns))]
    if screen.width is not None:
        _squeeze(columns, widths, screen.width - len(indent) - len(GAP) * (len(columns) - 1))
    return [indent + _line(columns, widths, row, screen) for row in everything]


def _squeeze(columns: Sequence[Column], widths: list[int], room: int) -> None:
    """Take from the widest flexible column until everything fits, or none can give more."""
    while sum(widths) > room:
        flexible = [at for at, column in enumerate(columns) if column.flexible and widths[at] > _LEAST]
        if not flexible:
            return
        widest = max(flexible, key=lambda at: widths[at])
        widths[widest] -= 1


def _line(columns: Sequence[Column], widths: list[int], row: Sequence[Cell], screen: Screen) -> str:
    parts = []
    for column, width, cell in zip(columns, widths, row, strict=True):
        text = fit(cell.text, width, unicode=screen.unicode)
        space = " " * (width - cells(text))
        styled = screen.style(text, cell.style)
        parts.append(space + styled if column.right else styled + space)
    return GAP.join(parts).rstrip()
