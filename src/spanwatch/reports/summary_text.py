"""A summary as text: a function of the summary and the screen."""

from __future__ import annotations

from collections.abc import Sequence

from spanwatch.core.harmless import clean
from spanwatch.core.times import shown
from spanwatch.reports.figures import NONE, cost_of, counted, dollars, number, seconds
from spanwatch.reports.screen import Screen
from spanwatch.reports.table import Cell, Column, table
from spanwatch.store.summary import Group, Percentiles, Summary, Sums

_MOST_ROWS = 20
_COLUMNS = (
    *(Column("calls", right=True), Column("errors", right=True), Column("input", right=True)),
    *(Column("cached", right=True), Column("output", right=True), Column("reasoning", right=True)),
    Column("cost", right=True),
)


def summary_text(found: Summary, screen: Screen) -> list[str]:
    """The lines of a report."""
    sums = found.sums
    if not (sums.calls or sums.refused):
        reported = [] if sums.nano_usd is None else [f"Reported by the application: {dollars(sums.nano_usd)}"]
        return [f"No model calls {_window(found)}.", *reported, *_losses(found, screen)]
    lines = [screen.style(f"Model calls {_window(found)}", "bold"), ""]
    lines += [f"{screen.style(f'{name:<13}', 'dim')}{text}" for name, text in figures_of(found, screen)]
    lines += ["", *_groups("model", found.models, screen)]
    if found.by not in {None, "model"}:
        lines += ["", *_groups(str(found.by), found.groups, screen)]
    return [*lines, *_unpriced(found, screen), *_losses(found, screen)]


def _window(found: Summary) -> str:
    if found.since_ns is None and found.until_ns is None:
        return "in the store"
    since = "" if found.since_ns is None else f"since {shown(found.since_ns)}"
    until = "" if found.until_ns is None else f"before {shown(found.until_ns)}"
    return f"{since} {until}".strip() + " UTC"


def figures_of(found: Summary, screen: Screen) -> list[tuple[str, str]]:
    """The figures over all calls, each with its doubts."""
    sums = found.sums
    return [
        ("calls", _joined(number(sums.calls), _endings(sums), screen)),
        ("tokens", _joined(_tokens(sums), _without_usage(sums), screen)),
        ("cost", _joined(_cost(sums), _doubts(sums), screen)),
        ("duration", _percentiles(found.duration, screen)),
        ("first chunk", _percentiles(found.first_chunk, screen)),
    ]


def _joined(text: str, remarks: Sequence[str], screen: Screen) -> str:
    return f"{text}   {screen.style(', '.join(remarks), 'yellow')}" if remarks else text


def _endings(sums: Sums) -> list[str]:
    endings = {
        "failed": sums.errors,
        "cancelled": sums.cancelled,
        "abandoned": sums.abandoned,
        "refused (not counted)": sums.refused,
    }
    return [f"{count:,} {word}" for word, count in endings.items() if count]


def _tokens(sums: Sums) -> str:
    if sums.input_tokens is None and sums.output_tokens is None:
        return "unknown"
    cached = "" if sums.cache_read_tokens is None else f" ({number(sums.cache_read_tokens)} cached)"
    thought = "" if sums.reasoning_tokens is None else f" ({number(sums.reasoning_tokens)} reasoning)"
    return f"{_known(sums.input_tokens)} input{cached}, {_known(sums.output_tokens)} output{thought}"


def _known(value: int | None) -> str:
    return "unknown" if value is None else number(value)


def _without_usage(sums: Sums) -> list[str]:
    return [f"unknown for {counted(sums.without_usage, 'call')}"] if sums.without_usage else []


def _cost(sums: Sums) -> str:
    if sums.nano_usd is None:
        return "unknown"
    return f"{'at least ' if sums.is_lower_bound else ''}{dollars(sums.nano_usd)}"


def _doubts(sums: Sums) -> list[str]:
    doubts = {
        "unknown for": sums.unpriced,
        "a lower bound for": sums.partial,
        "approximate for": sums.approximate,
        "estimated for": sums.estimated,
    }
    said = [f"{words} {counted(count, 'call')}" for words, count in doubts.items() if count]
    charged = [] if not sums.charged_nano_usd else [f"budgets charged ~{dollars(sums.charged_nano_usd)} for those"]
    return [*said[:1], *charged, *said[1:]] if sums.unpriced else [*charged, *said]


def _percentiles(found: Percentiles, screen: Screen) -> str:
    if not found.count:
        return NONE
    values = f"p50 {seconds(found.p50)}   p95 {seconds(found.p95)}   p99 {seconds(found.p99)}"
    over = screen.style(f"of {counted(found.count, 'call')}", "dim")
    return f"{values}   {over}"


def _groups(heading: str, groups: Sequence[Group], screen: Screen) -> list[str]:
    rows = [[Cell(clean(group.key) or "unknown"), *_cells(group.sums, screen)] for group in groups[:_MOST_ROWS]]
    lines = table([Column(heading, flexible=True), *_COLUMNS], rows, screen)
    more = len(groups) - _MOST_ROWS
    return [*lines, screen.style(f"and {more:,} more: --json has all of them", "dim")] if more > 0 else lines


def _cells(sums: Sums, screen: Screen) -> list[Cell]:
    return [
        Cell(number(sums.calls)),
        Cell(number(sums.errors), "red" if sums.errors else ""),
        *(Cell(number(sums.input_tokens)), Cell(number(sums.cache_read_tokens))),
        *(Cell(number(sums.output_tokens)), Cell(number(sums.reasoning_tokens))),
        Cell(cost_of(sums, screen)),
    ]


def _unpriced(found: Summary, screen: Screen) -> list[str]:
    if not found.unpriced:
        return []
    columns = (Column("without cost", right=True), Column("reason"), Column("model", flexible=True))
    rows = [
        [Cell(number(each.calls)), Cell(clean(each.reason), "yellow"), Cell(clean(each.model) or "unknown")]
        for each in found.unpriced[:_MOST_ROWS]
    ]
    return ["", *table(columns, rows, screen)]


def _losses(found: Summary, screen: Screen) -> list[str]:
    if not found.losses:
        return []
    text = ", ".join(f"{count:,} {clean(reason)}" for reason, count in found.losses)
    return ["", screen.style(f"lost by telemetry itself: {text}", "yellow")]
