"""A trace as a tree: a function of the trace and the screen, linear in its lines however deep they are nested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spanwatch.cli.calls import amount
from spanwatch.core.harmless import clean
from spanwatch.core.times import shown
from spanwatch.reports.figures import cost, counted, dollars, number, seconds
from spanwatch.reports.screen import MOST_CELLS, Screen, Style, cells, fit
from spanwatch.reports.table import GAP, Cell
from spanwatch.store.trace import Line, Total, Trace

_DEEPEST = 24  # levels that are drawn; deeper ones say their number
_LEAST = 24
_SHORTEST = 6  # columns; shorter remarks say nothing
_HEADINGS = ("duration", "input", "output", "cost")
_UNICODE = ("├─ ", "└─ ", "│  ", "   ")
_ASCII = ("|- ", "`- ", "|  ", "   ")


def trace_text(found: Trace, screen: Screen) -> Iterator[str]:
    """The head line, then one line for each span and each call without one."""
    yield from _head(found, screen)
    yield ""
    names = list(_names(found.lines, screen))
    rows = [_figures(line, screen) for line in found.lines]
    full = [[Cell(heading, "dim") for heading in _HEADINGS], *(row for row in rows if len(row) > 1)]
    widths = [max(cells(row[at].text) for row in full) for at in range(len(_HEADINGS))]
    widths[0] = max(widths[0], *(len(row[0].text) for row in rows))
    room = _room(names, widths, screen)
    yield " " * room + GAP + _aligned(full[0], widths, screen)
    layout = _Layout(room, sum(widths) + len(GAP) * (len(widths) - 1), screen)
    for line, name, row in zip(found.lines, names, rows, strict=True):
        yield _line(line, name, _aligned(row, widths, screen), layout)


def _head(found: Trace, screen: Screen) -> Iterator[str]:
    services = dict.fromkeys(clean(line.service) for line in found.lines if line.service)
    yield screen.style(f"trace {found.trace_id}", "bold") + (f"  {', '.join(services)}" if services else "")
    total = found.total
    parts = [
        f"{shown(found.started_ns)} UTC",
        seconds((found.ended_ns - found.started_ns) / 1e9),
        counted(found.spans, "span"),
        counted(total.calls, "call"),
        *([screen.style(counted(total.errors, "error"), "red")] if total.errors else []),
        *([f"{number(total.input_tokens)} in"] if total.input_tokens is not None else []),
        *([f"{number(total.output_tokens)} out"] if total.output_tokens is not None else []),
        _cost(total, screen),
        *([screen.style(f"{counted(total.unpriced, 'call')} without cost", "yellow")] if total.unpriced else []),
        *([screen.style(f"{counted(found.unsampled, 'call')} not sampled", "yellow")] if found.unsampled else []),
    ]
    yield ", ".join(parts)


def _cost(total: Total, screen: Screen) -> str:
    if total.nano_usd is None:
        return "cost unknown" if total.calls else "no calls"
    return cost(total.nano_usd, screen, lower_bound=total.is_lower_bound, guessed=bool(total.guessed))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Columns for names, and for figures."""

    room: int
    wide: int
    screen: Screen


class _Name(NamedTuple):
    """The branches in front of a line, its name, and the columns that both take."""

    front: str
    text: str
    columns: int


def _names(lines: Sequence[Line], screen: Screen) -> Iterator[_Name]:
    middle, end, through, past = _UNICODE if screen.unicode else _ASCII
    stems = [""]  # what stands in front of the branches of each depth
    for line in lines:
        depth = min(line.depth, _DEEPEST)
        if depth == 0:
            del stems[1:]
            yield _named("", line.name)
            continue
        del stems[depth:]
        stem = stems[-1]
        stems.append(stem + (past if line.last else through))
        level = f"[{line.depth}] " if line.depth > _DEEPEST else ""
        yield _named(stem + (end if line.last else middle) + level, line.name)


def _named(front: str, name: str) -> _Name:
    text = clean(name)
    return _Name(front, text, len(front) + cells(text))


def _room(names: Sequence[_Name], widths: Sequence[int], screen: Screen) -> int:
    widest = max((name.columns for name in names), default=0)
    if screen.width is None:
        return min(widest, MOST_CELLS)
    return max(min(widest, screen.width - sum(widths) - len(GAP) * len(widths)), _LEAST)


def _line(line: Line, name: _Name, figures: str, layout: _Layout) -> str:
    room, wide, screen = layout.room, layout.wide, layout.screen
    front, text, columns = name if name.columns <= room else _cut(name, room, screen)
    style: Style = "red" if line.failed else "cyan" if line.call is not None else ""
    if screen.colour:
        front, text = screen.style(front, "dim"), screen.style(text, style)
    shown_name = f"{front}{text}{' ' * (room - columns)}{GAP}"
    remarks = _remarks(line, room + len(GAP) + wide, screen)
    if not remarks:
        return (shown_name + figures).rstrip()
    return f"{shown_name}{figures.ljust(wide)}{GAP}{screen.style(remarks, 'dim')}"


def _cut(name: _Name, room: int, screen: Screen) -> _Name:
    """Deep branches give way first, down to half of the room's least; then the name."""
    front = fit(name.front, max(room - _LEAST // 2, 0), unicode=screen.unicode)
    text = fit(name.text, room - len(front), unicode=screen.unicode)
    return _Name(front, text, len(front) + cells(text))


def _aligned(row: Sequence[Cell], widths: Sequence[int], screen: Screen) -> str:
    if len(row) == 1:
        return row[0].text.rjust(widths[0])
    return GAP.join(
        [
            " " * (width - cells(cell.text)) + screen.style(cell.text, cell.style)
            for width, cell in zip(widths, row, strict=True)
        ]
    )


def _figures(line: Line, screen: Screen) -> list[Cell]:
    total, call = line.total, line.call
    if call is None and not total.calls:
        return [Cell(seconds((line.ended_ns - line.started_ns) / 1e9))]
    rolled_up = call is None or total.calls > 1
    style: Style = "dim" if rolled_up else ""
    price = amount(call, screen) if call is not None and not rolled_up else Cell(_rolled_up(total, screen), style)
    return [
        Cell(seconds((line.ended_ns - line.started_ns) / 1e9)),
        Cell(number(total.input_tokens) if total.calls else "", style),
        Cell(number(total.output_tokens) if total.calls else "", style),
        price,
    ]


def _rolled_up(total: Total, screen: Screen) -> str:
    if not total.calls:
        return ""
    if total.nano_usd is None:
        return "unknown" if total.unpriced else "-"
    return cost(total.nano_usd, screen, lower_bound=total.is_lower_bound, guessed=bool(total.guessed))


def _remarks(line: Line, edge: int, screen: Screen) -> str:
    """What is to be said behind the figures, which end at column `edge`."""
    call = line.call
    if call is None and not line.total.calls and line.ending is None and line.note is None:
        return ""
    remarks = []
    if call is not None:
        if call.status != "ok":
            remarks.append(clean(call.status if call.error_type is None else f"{call.status} {call.error_type}"))
        if call.cost_reason and call.nano_usd is not None:
            remarks.append(f"{clean(call.cost_status)}: {clean(call.cost_reason)}")
        if call.charged_nano_usd is not None and call.usage is None:
            remarks.append(f"budgets charged ~{dollars(call.charged_nano_usd)}")
    elif line.ending:
        remarks.append(clean(line.ending))
    if call is None and line.total.calls:
        errors = f", {counted(line.total.errors, 'error')}" if line.total.errors else ""
        remarks.append(f"{counted(line.total.calls, 'call')}{errors}")
    if line.note:
        remarks.append(line.note)
    text = ", ".join(remarks)
    if screen.width is None:
        return text
    left = screen.width - edge - len(GAP)
    return fit(text, left, unicode=screen.unicode) if left >= _SHORTEST else ""
