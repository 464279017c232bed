"""The tables of a live view: a plain list, so that a feature adds its own. One that has no rows is not shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spanwatch.core.harmless import clean
from spanwatch.core.money import NANO_PER_USD
from spanwatch.core.times import shown
from spanwatch.reports.alerts import COLUMNS, alert_row
from spanwatch.reports.figures import NONE, cost_of, dollars, number, seconds
from spanwatch.reports.screen import Screen, Style
from spanwatch.reports.table import Cell, Column
from spanwatch.reports.watching.accounts import Account
from spanwatch.reports.watching.watch import Shown
from spanwatch.store.summary import Group, Sums
from spanwatch.store.traces import TraceLine
from spanwatch.store.work import Done

Value = float | str | None
_SCREEN = Screen()
_BAR = 20


@dataclass(frozen=True, slots=True)
class Row:
    """Cells, the values that they are sorted by (None is unknown and last), and the trace that Enter opens."""

    cells: tuple[Cell, ...]
    values: tuple[Value, ...]
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One table. `rows` are in the order in which they are shown first."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Callable[[Shown], Sequence[Row]]


def _amount(sums: Sums) -> Cell:
    return Cell(cost_of(sums, _SCREEN), "yellow" if sums.nano_usd is None and sums.unpriced else "")


def _red(count: int) -> Style:
    return "red" if count else ""


def _group(group: Group) -> Row:
    sums, name = group.sums, clean(group.key) or "unknown"
    mean = None if not sums.calls or sums.duration_ns is None else sums.duration_ns / sums.calls / 1e9
    cells = (
        *(Cell(name), Cell(number(sums.calls)), Cell(number(sums.errors), _red(sums.errors)), Cell(seconds(mean))),
        *(Cell(number(sums.input_tokens)), Cell(number(sums.output_tokens)), _amount(sums)),
    )
    values = (name, sums.calls, sums.errors, mean, sums.input_tokens, sums.output_tokens, sums.nano_usd)
    return Row(cells, values)


def _done(done: Done) -> Row:
    name, lasted = clean(done.key) or "unknown", done.duration
    counts = (done.count, done.errors, done.cancelled, done.refused)
    times = (lasted.p50, lasted.p95, lasted.p99)
    cells = (
        Cell(name),
        *(Cell(number(each), _red(each) if at == 1 else "") for at, each in enumerate(counts)),
        *(Cell(seconds(each)) for each in times),
    )
    return Row(cells, (name, *counts, *times))


def _trace(line: TraceLine) -> Row:
    sums, took = line.sums, (line.ended_ns - line.started_ns) / 1e9
    name = clean(line.name or NONE) + ("" if line.sampled else " (not sampled)")
    cells = (
        *(Cell(shown(line.started_ns)[11:]), Cell(name, "red" if line.failed else ""), Cell(seconds(took))),
        *(Cell(number(sums.calls)), Cell(number(sums.errors), _red(sums.errors)), _amount(sums)),
        Cell(line.trace_id[:8], "cyan"),
    )
    values = (line.started_ns, name, took, sums.calls, sums.errors, sums.nano_usd, line.trace_id)
    return Row(cells, values, line.trace_id)


def _account(account: Account) -> Row:
    used = account.used
    style: Style = "red" if used >= 1 else "yellow" if used >= 0.8 else ""
    full = min(_BAR, int(used * _BAR))
    bar = f"{'#' * full}{'.' * (_BAR - full)}"
    scope = clean(account.scope) or "everything"
    if account.process:
        scope = f"{scope} in {clean(account.process)}"
    word = "hit" if used >= 1 else "near" if used >= 0.8 else "ok"
    cells = (
        *(Cell(clean(account.budget)), Cell(scope), Cell(bar, style)),
        *(Cell(f"{used:.0%}", style), Cell(word, style), Cell(_usd(account.spent_usd)), Cell(_usd(account.limit_usd))),
    )
    values = (account.budget, scope, used, used, word, account.spent_usd, account.limit_usd)
    return Row(cells, values)


def _usd(value: float | None) -> str:
    return dollars(None if value is None else round(value * NANO_PER_USD))


def _ratings(snapshot: Shown) -> list[Row]:
    rows = []
    for rating in snapshot.said.latest:
        label = rating.label if rating.rating is None or rating.kind == "label" else f"{rating.rating:g}"
        who, said = clean(rating.user_id or NONE), clean(" ".join((rating.comment or NONE).split()))
        cells = (
            *(Cell(shown(rating.at_ns)[11:]), Cell(clean(label), "red" if rating.is_low() else "")),
            *(Cell(clean(rating.agent or NONE)), Cell(who), Cell(said)),
        )
        rows.append(Row(cells, (rating.at_ns, rating.rating, rating.agent, who, said), rating.trace_id))
    return rows


def _alerts(snapshot: Shown) -> list[Row]:
    """What is pending and what fires; Enter opens the first of the traces that show it."""
    rows = []
    for alert in snapshot.alerts:
        cells = tuple(alert_row(alert, snapshot.at_ns))
        values = (alert.name, alert.severity, cells[2].text, snapshot.at_ns - alert.since_ns, alert.summary)
        rows.append(Row(cells, values, alert.trace_ids[0] if alert.trace_ids else None))
    return rows


def _columns(first: str, *rest: str) -> tuple[Column, ...]:
    return (Column(first, flexible=True), *(Column(name, right=True) for name in rest))


_SUMS = ("calls", "errors", "mean", "input", "output", "cost")
_ENDED = ("count", "errors", "cancelled", "refused", "p50", "p95", "p99")
_TRACES = (
    *(Column("began"), Column("root", flexible=True), Column("took", right=True), Column("calls", right=True)),
    *(Column("errors", right=True), Column("cost", right=True), Column("trace")),
)
_BUDGETS = (
    *(Column("budget", flexible=True), Column("scope", flexible=True), Column("spent of limit"), Column("used", True)),
    *(Column("state"), Column("spent", True), Column("limit", True)),
)
_RATINGS = (Column("given"), Column("rating", True), Column("agent"), Column("user"), Column("comment", flexible=True))

VIEWS: list[View] = [
    View("models", "Models", _columns("model", *_SUMS), lambda s: [_group(each) for each in s.look.groups["model"]]),
    View("agents", "Agents", _columns("agent", *_SUMS), lambda s: [_group(each) for each in s.look.groups["agent"]]),
    View("users", "Users", _columns("user", *_SUMS), lambda s: [_group(each) for each in s.look.groups["user"]]),
    View("tools", "Tools", _columns("tool", *_ENDED), lambda s: [_done(each) for each in s.work.tools]),
    View("recent", "Recent", _TRACES, lambda s: [_trace(line) for line in s.recent]),
    View("slowest", "Slow", _TRACES, lambda s: [_trace(line) for line in s.slowest]),
    View("dearest", "Dear", _TRACES, lambda s: [_trace(line) for line in s.dearest]),
    View("budgets", "Budgets", _BUDGETS, lambda s: [_account(each) for each in s.budgets]),
    View("feedback", "Feedback", _RATINGS, _ratings),
    View("alerts", "Alerts", COLUMNS, _alerts),
]


def chosen(rows: Sequence[Row], *, text: str = "", column: int | None = None, down: bool = True) -> list[Row]:
    """The rows that hold a text, in the order of a column; unknown values are last whichever way it goes."""
    wanted = text.casefold()
    found = [row for row in rows if not wanted or any(wanted in cell.text.casefold() for cell in row.cells)]
    if column is None:
        return found
    known = [row for row in found if row.values[column] is not None]
    known.sort(key=lambda row: _ordinal(row.values[column]), reverse=down)
    return known + [row for row in found if row.values[column] is None]


def _ordinal(value: Value) -> tuple[float, str]:
    return (0.0, value.casefold()) if isinstance(value, str) else (value or 0.0, "")
