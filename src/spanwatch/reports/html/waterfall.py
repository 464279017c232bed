"""A trace as a waterfall: its tree, and beside each line when it ran."""

from __future__ import annotations

from spanwatch.core.harmless import clean
from spanwatch.core.times import shown
from spanwatch.reports.figures import NONE, cost, counted, seconds
from spanwatch.reports.html.markup import Markup, tag
from spanwatch.reports.parts import Tree
from spanwatch.reports.screen import Screen, fit
from spanwatch.store.summary import Sums
from spanwatch.store.trace import Line, Total, Trace

_ROW, _NAMES, _BARS, _FIGURES = 20, 320, 420, 160
_LEAST, _DEEPEST, _NAME = 2, 12, 46
_PLAIN = Screen()


def waterfall(tree: Tree) -> Markup:
    """A closed box that opens on a click: the trace's figures, then its lines."""
    line = tree.line
    name = clean(line.name or NONE)
    head = tag(
        "summary",
        tag("b", name, class_="failed" if line.failed else None),
        f" {seconds((line.ended_ns - line.started_ns) / 1e9)}, {counted(line.sums.calls, 'call')}, ",
        _money(line.sums),
        tag("code", line.trace_id),
    )
    if tree.trace is None:
        text = f"{line.spans:,} spans are too many to draw: spanwatch trace {line.trace_id}"
        return tag("details", head, tag("p", text), class_="trace", id=f"trace-{line.trace_id}")
    started = tag(
        "p", f"{shown(line.started_ns)} UTC", f", {clean(line.service)}" if line.service else "", class_="dim"
    )
    return tag("details", head, started, _drawn(tree.trace), class_="trace", id=f"trace-{line.trace_id}")


def _drawn(trace: Trace) -> Markup:
    height = _ROW * len(trace.lines) + 4
    rows = [_row(line, at, trace) for at, line in enumerate(trace.lines)]
    width = _NAMES + _BARS + _FIGURES
    return tag(
        "svg", rows, viewBox=f"0 0 {width} {height}", role="img", class_="waterfall", aria_label="when each span ran"
    )


def _row(line: Line, at: int, trace: Trace) -> Markup:
    whole = max(trace.ended_ns - trace.started_ns, 1)
    start = min(max((line.started_ns - trace.started_ns) / whole, 0.0), 1.0)
    share = min(max((line.ended_ns - line.started_ns) / whole, 0.0), 1.0 - start)
    y, indent = at * _ROW + 2, 12 * min(line.depth, _DEEPEST)
    room = _NAME - 2 * min(line.depth, _DEEPEST)
    name = fit(clean(line.name), room)
    kind = "failed" if line.failed else "call" if line.call is not None else "span"
    took = seconds((line.ended_ns - line.started_ns) / 1e9)
    price = _money(line.total).strip() if line.total.calls else ""
    bar = tag(
        "rect",
        x=round(_NAMES + start * _BARS, 2),
        y=y + 3,
        width=round(max(share * _BARS, _LEAST), 2),
        height=_ROW - 8,
        rx=2,
        class_=kind,
    )
    return tag(
        "g",
        tag("title", " · ".join(filter(None, (clean(line.name), took, price, line.note, _ended(line))))),
        tag("rect", x=0, y=y - 1, width=_NAMES + _BARS + _FIGURES, height=_ROW, class_="row"),
        tag("text", name, x=4 + indent, y=y + 13, class_="failed" if line.failed else None),
        bar,
        tag("text", f"{took}  {price}", x=_NAMES + _BARS + 8, y=y + 13, class_="dim"),
    )


def _ended(line: Line) -> str:
    call = line.call
    return "" if call is None or call.status == "ok" else f"{call.status} {call.error_type or ''}".strip()


def _money(sums: Sums | Total) -> str:
    if sums.nano_usd is None:
        return "cost unknown " if sums.unpriced else ""
    return f"{cost(sums.nano_usd, _PLAIN, lower_bound=sums.is_lower_bound)} "
