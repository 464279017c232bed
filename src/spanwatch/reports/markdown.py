"""The parts of a report as Markdown, for pull requests and chats: tables as tables, charts as bars of blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spanwatch.reports.parts import Chart, Part, Table
from spanwatch.reports.screen import fit

# A name can be no link, mention, picture, formula, cell, tag, list or rule.
_SPECIAL = re.compile(r"([\\`*_\[\]#|~$]|(?<=\w):(?=//)|(?<=www)\.|^[-+](?=[- ]|$)|^=)", re.IGNORECASE)
_LEADING_NUMBER = re.compile(r"^(\d+)([.)])(?= |$)")
# Chats know no backslash, but these three; Markdown knows them, too.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What a forge or chat reads out of the finished text, whatever was escaped: @all, #12, GH-12.
_REFERENCES = re.compile(r"(@|#(?=\d)|\bGH-(?=\d))", re.IGNORECASE)
_BLOCKS = " ▁▂▃▄▅▆▇█"
_MOST = 120  # columns of one piece of foreign text


def markdown(parts: Sequence[Part], title: str, about: str) -> str:
    """The whole text."""
    lines = [f"# {escaped(title)}", "", escaped(about)]
    for part in parts:
        lines += ["", f"## {escaped(part.title)}", *_part(part)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Clean text as text: nothing in it is Markdown, HTML, or a link, mention or command of a chat."""
    plain = _REFERENCES.sub("\\1\u200b", fit(" ".join(text.split()), _MOST))
    return _LEADING_NUMBER.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", plain.translate(_ENTITIES)))


def _part(part: Part) -> Iterator[str]:
    if part.remarks:
        yield ""
        yield from (f"- {escaped(cell.text)}" for cell in part.remarks)
    for chart in part.charts:
        yield from _chart(chart)
    for table in part.tables:
        yield from _table(table)
    if part.trees:
        yield ""
        yield "Look into one with `spanwatch trace TRACE_ID`."


def _chart(chart: Chart) -> Iterator[str]:
    """One line for each series, drawn over the same scale."""
    highest = max((value or 0.0) for series in chart.series for value in series.values)
    yield ""
    yield f"**{escaped(chart.title)}** ({chart.unit}, {escaped(chart.labels[0])} to {escaped(chart.labels[-1])})"
    yield ""
    for series in chart.series:
        drawn = "".join(_BLOCKS[_level(value, highest)] for value in series.values)
        yield f"- `{drawn}` {escaped(series.name)}"


def _level(value: float | None, highest: float) -> int:
    """Something is at least the lowest block."""
    return 0 if not value else max(1, round(value / highest * (len(_BLOCKS) - 1)))


def _table(table: Table) -> Iterator[str]:
    yield ""
    if table.title:
        yield f"**{escaped(table.title)}**"
        yield ""
    yield f"| {' | '.join(escaped(column.heading) for column in table.columns)} |"
    yield f"| {' | '.join('---:' if column.right else '---' for column in table.columns)} |"
    for row in table.rows:
        yield f"| {' | '.join(escaped(cell.text) for cell in row)} |"
    if table.more:
        yield ""
        yield f"and {table.more:,} more"
