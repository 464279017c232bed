"""The sections of a report, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from spanwatch.core.harmless import clean
from spanwatch.core.health import as_json
from spanwatch.core.money import usd_text
from spanwatch.reports.alerts import alerts
from spanwatch.reports.figures import NONE, cost_of, number, seconds
from spanwatch.reports.health import health_text
from spanwatch.reports.report import Build, Material, Section
from spanwatch.reports.screen import Screen
from spanwatch.reports.summary_json import summary_json
from spanwatch.reports.summary_text import summary_text
from spanwatch.reports.table import Cell, Column, table
from spanwatch.store.summary import Sums
from spanwatch.store.work import Done, Failures, Work

_MOST_ROWS = 20
_TIMES = tuple(Column(name, right=True) for name in ("p50", "p95", "p99"))
_ENDINGS = tuple(Column(name, right=True) for name in ("ok", "errors", "cancelled", "refused"))
_MOMENTS = frozenset({"at_ns", "since_ns"})


def calls(material: Material) -> Section:
    """Model calls: how many, how they ended, tokens, cost, latency, by model and by what was asked for."""
    return Section(summary_json(material.calls), partial(summary_text, material.calls))


def requests(material: Material) -> Section:
    """Requests by name and outcome, with exact percentiles."""
    work = material.work
    data = {
        **_done_json(work.requests),
        "success_rate": work.requests.success_rate,
        "sampled_only": work.sampled,
        "by_name": [{"name": done.key, **_done_json(done)} for done in work.requests_by_name],
    }
    return Section({"requests": data}, partial(_requests_text, work))


def agents(material: Material) -> Section:
    """The runs of each agent, and the model calls made under it."""
    groups = {group.key: group.sums for group in material.agents}
    done = {each.key: each for each in material.work.agents}
    names = [*done, *(key for key in groups if key and key not in done)]
    found = [(name, done.get(name), groups.get(name, Sums())) for name in names]
    data = [
        {
            "agent": name or None,
            **_done_json(runs),
            "calls": sums.calls,
            "input_tokens": sums.input_tokens,
            "output_tokens": sums.output_tokens,
            "cost_usd": None if sums.nano_usd is None else usd_text(sums.nano_usd),
            "cost_is_lower_bound": sums.is_lower_bound,
        }
        for name, runs, sums in found
    ]
    return Section({"agents": data}, partial(_agents_text, found))


def tools(material: Material) -> Section:
    """The executions of each tool."""
    data = [{"tool": done.key or None, **_done_json(done)} for done in material.work.tools]
    return Section({"tools": data}, partial(_done_text, "tool", material.work.tools))


def failures(material: Material) -> Section:
    """Failures by kind, of requests, agents, tools and model calls."""
    found = material.work.failures
    return Section({"failures": [asdict(each) for each in found]}, partial(_failures_text, found))


def health(material: Material) -> Section:
    """How it is now, with every reason."""
    found = {name: value for name, value in as_json(material.health).items() if name not in _MOMENTS}
    return Section(
        {"health": found},
        lambda screen: [
            f"Health: {line}" if not at else line for at, line in enumerate(health_text(material.health, screen))
        ],
    )


SECTIONS: list[Build] = [calls, requests, agents, tools, failures, health, alerts]


def _done_json(done: Done | None) -> dict[str, Any]:
    """What ended; where no span of it is kept nobody knows, and all of it is null."""
    if done is None:
        return dict.fromkeys(_done_json(Done("")))
    return {
        "count": done.count,
        "ok": done.ok,
        "errors": done.errors,
        "cancelled": done.cancelled,
        "refused": done.refused,
        "duration_s": {name: value for name, value in asdict(done.duration).items() if name != "count"},
    }


def _requests_text(work: Work, screen: Screen) -> Sequence[str]:
    groups = work.requests_by_name
    lines = _done_text("request", groups if len(groups) < 2 else (_all(work.requests), *groups), screen)
    if lines and work.sampled:
        return [*lines, screen.style("only sampled traces are counted here", "yellow")]
    return lines


def _all(done: Done) -> Done:
    return replace(done, key="all")


def _done_text(heading: str, groups: Sequence[Done], screen: Screen) -> Sequence[str]:
    """One line for each group; none without groups."""
    columns = [Column(heading, flexible=True), Column("count", right=True), *_ENDINGS, *_TIMES]
    return _rows(columns, [[Cell(clean(done.key) or "unknown"), *_done_cells(done)] for done in groups], screen)


def _agents_text(found: Sequence[tuple[str, Done | None, Sums]], screen: Screen) -> Sequence[str]:
    columns = [Column("agent", flexible=True), Column("runs", right=True), *_ENDINGS, *_TIMES]
    columns += [Column("calls", right=True), Column("cost", right=True)]
    rows = [
        [Cell(clean(name) or "unknown"), *_done_cells(runs), Cell(number(sums.calls)), Cell(cost_of(sums, screen))]
        for name, runs, sums in found
    ]
    return _rows(columns, rows, screen)


def _failures_text(found: Sequence[Failures], screen: Screen) -> Sequence[str]:
    columns = [Column("failures", right=True), Column("of"), Column("kind", flexible=True)]
    return _rows(
        columns, [[Cell(number(each.count), "red"), Cell(each.where), Cell(clean(each.kind))] for each in found], screen
    )


def _done_cells(done: Done | None) -> list[Cell]:
    if done is None:
        return [Cell(NONE)] * (1 + len(_ENDINGS) + len(_TIMES))
    times = (done.duration.p50, done.duration.p95, done.duration.p99)
    return [
        Cell(number(done.count)),
        Cell(number(done.ok)),
        Cell(number(done.errors), "red" if done.errors else ""),
        *(Cell(number(done.cancelled)), Cell(number(done.refused))),
        *(Cell(seconds(value)) for value in times),
    ]


def _rows(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], screen: Screen) -> Sequence[str]:
    if not rows:
        return []
    lines = table(columns, rows[:_MOST_ROWS], screen)
    more = len(rows) - _MOST_ROWS
    return [*lines, screen.style(f"and {more:,} more: --json has all of them", "dim")] if more > 0 else lines
