"""The parts of a report that is sent: what each says of the findings. A plain list, so that a feature adds its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spanwatch.core.harmless import clean
from spanwatch.core.times import shown
from spanwatch.reports.alerts import COLUMNS, alert_row
from spanwatch.reports.figures import NONE, cost_of, counted, number, seconds
from spanwatch.reports.findings import AXES, Findings
from spanwatch.reports.health import STYLES
from spanwatch.reports.parts import Part, Table, Tree, table_of
from spanwatch.reports.screen import Screen
from spanwatch.reports.spending import latency_chart, spend_chart
from spanwatch.reports.summary_text import figures_of
from spanwatch.reports.table import Cell, Column
from spanwatch.store.summary import Group
from spanwatch.store.traces import TraceLine
from spanwatch.store.work import Done

Tell = Callable[[Findings], Part]
_PLAIN = Screen()
_SUMS = tuple(Column(name, right=True) for name in ("calls", "errors", "input", "cached", "output", "cost"))
_DONE = tuple(
    Column(name, right=True) for name in ("count", "ok", "errors", "cancelled", "refused", "p50", "p95", "p99")
)
_THEME = (Column("theme"), Column("ratings", right=True), Column("share", right=True), Column("trend"))
_TRACE = (
    Column("trace"),
    Column("started (UTC)"),
    Column("root", flexible=True),
    *(Column(name, right=True) for name in ("duration", "calls", "errors", "cost")),
)


def health(found: Findings) -> Part:
    """How it was when the report was made, with every reason."""
    state = found.health.state
    head = Cell(f"{state.value.replace('_', ' ')} (last {found.health.window_s / 60:g} minutes)", STYLES.get(state, ""))
    reasons = [Cell(clean(reason.text), STYLES.get(reason.state, "")) for reason in found.health.reasons]
    return Part("health", "Health", (head, *reasons))


def summary(found: Findings) -> Part:
    """Calls, tokens, cost and latency of the window."""
    rows = [(Cell(name), Cell(text.replace("   ", " · "))) for name, text in figures_of(found.calls, _PLAIN)]
    losses = ", ".join(f"{count:,} {clean(reason)}" for reason, count in found.calls.losses)
    remarks = (Cell(f"lost by telemetry itself: {losses}", "yellow"),) if losses else ()
    return Part("summary", "Summary", remarks, tables=(table_of("", (Column("figure"), Column("value")), rows),))


def spend(found: Findings) -> Part:
    """Spend over time, and by model, agent and user."""
    charts = [spend_chart(axis, found.timelines[axis]) for axis in AXES]
    tables = tuple(
        table_of(f"By {axis}", (Column(axis, flexible=True), *_SUMS), [_group(each) for each in found.groups[axis]])
        for axis in AXES
        if found.groups[axis]
    )
    sums = found.calls.sums
    unknown = f"cost of {counted(sums.unpriced, 'call')} is unknown and not drawn" if sums.unpriced else ""
    remarks = (Cell(unknown, "yellow"),) if unknown else ()
    return Part("spend", "Spend", remarks, tuple(chart for chart in charts if chart), tables)


def latency(found: Findings) -> Part:
    """How long calls took, and requests."""
    chart = latency_chart(found.spread)
    rows = [_done(done) for done in found.work.requests_by_name]
    tables = (table_of("Requests", (Column("request", flexible=True), *_DONE), rows),) if rows else ()
    remarks = (Cell("only sampled traces are counted as requests, agents and tools", "yellow"),)
    sampled = remarks if found.work.sampled and rows else ()
    return Part("latency", "Latency", sampled, (chart,) if chart else (), tables)


def errors(found: Findings) -> Part:
    """Failures by where and kind."""
    columns = (Column("where"), Column("kind", flexible=True), Column("count", right=True))
    rows = [(Cell(each.where), Cell(clean(each.kind), "red"), Cell(number(each.count))) for each in found.work.failures]
    return Part("errors", "Errors", tables=(table_of("", columns, rows),) if rows else ())


def tools(found: Findings) -> Part:
    """Executions of tools, and runs of agents."""
    tables = [
        table_of(title, (Column(noun, flexible=True), *_DONE), [_done(done) for done in groups])
        for title, noun, groups in (("Agents", "agent", found.work.agents), ("Tools", "tool", found.work.tools))
        if groups
    ]
    return Part("tools", "Agents and tools", tables=tuple(tables))


def traces(found: Findings) -> Part:
    """The dearest and the slowest traces, and the tree of each."""
    tables = tuple(
        table_of(title, _TRACE, [_trace(line) for line in lines])
        for title, lines in (("Dearest", found.dearest), ("Slowest", found.slowest))
        if lines
    )
    lines = {line.trace_id: line for line in (*found.dearest, *found.slowest)}
    trees = tuple(Tree(line, found.trees.get(id_)) for id_, line in lines.items())
    return Part("traces", "Traces", tables=tables, trees=trees)


def feedback(found: Findings) -> Part:
    """What users said, and what low ratings have in common."""
    said = found.said
    if not said.labels:
        return Part("feedback", "Feedback")
    given = ", ".join(f"{clean(label)}: {count:,}" for label, count in sorted(said.labels.items()))
    remarks = (Cell(f"average {said.average}"), Cell(f"rated: {said.rate} of traces"), Cell(f"given: {given}"))
    return Part("feedback", "Feedback", remarks, tables=tuple(_feedback_tables(found)))


def alerts(found: Findings) -> Part:
    """What is pending and what fires, whatever the window."""
    rows = [alert_row(alert, found.at_ns) for alert in found.alerts]
    return Part("alerts", "Alerts", tables=(table_of("", COLUMNS, rows),) if rows else ())


def coverage(found: Findings) -> Part:
    """For which calls the cost is known, and why it is not for the others."""
    sums = found.calls.sums
    if not sums.calls:
        return Part("coverage", "Coverage of cost")
    known = sums.calls - sums.unpriced
    doubts = {"a lower bound": sums.partial, "approximate": sums.approximate, "estimated": sums.estimated}
    told = [Cell(f"{counted(count, 'call')} {word}") for word, count in doubts.items() if count]
    failed = f"{counted(sums.errors, 'failed call')} among them, which cost nothing unless their usage says so"
    free = [Cell(failed)] if sums.errors else []
    head = Cell(f"{known / sums.calls:.1%} of {counted(sums.calls, 'call')} with a known cost", "bold")
    columns = (Column("reason"), Column("model", flexible=True), Column("calls without cost", right=True))
    rows = [
        (Cell(clean(each.reason), "yellow"), Cell(clean(each.model) or "unknown"), Cell(number(each.calls)))
        for each in found.calls.unpriced
    ]
    tables = (table_of("Unknown cost", columns, rows),) if rows else ()
    return Part("coverage", "Coverage of cost", (head, *told, *free), tables=tables)


TELLING: list[Tell] = [health, alerts, summary, spend, latency, errors, tools, traces, feedback, coverage]


def parts_of(found: Findings, telling: Sequence[Tell] = TELLING) -> list[Part]:
    """All parts that have something to say."""
    return [part for tell in telling if (part := tell(found))]


def window_text(found: Findings) -> str:
    """Which part of the store the report is about."""
    calls = found.calls
    since = "the beginning" if calls.since_ns is None else f"{shown(calls.since_ns)} UTC"
    until = f"{shown(found.at_ns if calls.until_ns is None else calls.until_ns)} UTC"
    return f"from {since} to {until}"


def _group(group: Group) -> list[Cell]:
    sums = group.sums
    return [
        Cell(clean(group.key) or "unknown"),
        Cell(number(sums.calls)),
        Cell(number(sums.errors), "red" if sums.errors else ""),
        *(Cell(number(each)) for each in (sums.input_tokens, sums.cache_read_tokens, sums.output_tokens)),
        Cell(cost_of(sums, _PLAIN)),
    ]


def _done(done: Done) -> list[Cell]:
    ended = (done.count, done.ok, done.errors, done.cancelled, done.refused)
    times = (done.duration.p50, done.duration.p95, done.duration.p99)
    counts = [Cell(number(each), "red" if at == 2 and each else "") for at, each in enumerate(ended)]
    return [Cell(clean(done.key) or "unknown"), *counts, *(Cell(seconds(each)) for each in times)]


def _trace(line: TraceLine) -> list[Cell]:
    return [
        Cell(line.trace_id, "cyan"),
        Cell(shown(line.started_ns)),
        Cell(clean(line.name or NONE), "red" if line.failed else ""),
        Cell(seconds((line.ended_ns - line.started_ns) / 1e9)),
        *(Cell(number(each)) for each in (line.sums.calls, line.sums.errors)),
        Cell(cost_of(line.sums, _PLAIN)),
    ]


def _feedback_tables(found: Findings) -> list[Table]:
    tables = []
    for axis, groups in found.said.by.items():
        rows = [(Cell(clean(key)), Cell(number(each.n)), Cell(str(each))) for key, each in groups.items() if key]
        if rows:
            columns = (Column(axis, flexible=True), Column("n", right=True), Column("average"))
            tables.append(table_of(f"By {axis}", columns, rows))
    described = [
        (
            *(Cell(clean(theme.title)), Cell(number(theme.count)), Cell(f"{theme.share:.0%}"), Cell(str(theme.trend))),
            Cell(" · ".join(clean(" ".join(example.split())) for example in theme.examples)),
        )
        for theme in found.said.themes
    ]
    if described:
        wide = (*_THEME, Column("examples", flexible=True))
        tables.append(table_of("Themes of low ratings", wide, described))
    return tables
