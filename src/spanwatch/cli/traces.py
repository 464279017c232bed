"""The latest traces, one line each, the newest first; or the dearest, or the slowest.

Cost, tokens and calls are over every call of a trace, sampled or not. Look into one with: spanwatch trace TRACE_ID

Examples:
  spanwatch traces
  spanwatch traces --since 1h --limit 100
  spanwatch traces --since 1d --by cost
  spanwatch traces --json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.harmless import clean
from spanwatch.core.money import usd_text
from spanwatch.core.times import iso, shown
from spanwatch.reports.figures import cost, number, seconds
from spanwatch.reports.screen import Screen
from spanwatch.reports.table import Cell, Column, table
from spanwatch.store.notable import dearest, slowest
from spanwatch.store.traces import TraceLine, traces

_COLUMNS = (
    Column("trace"),
    Column("started (UTC)"),
    Column("root", flexible=True),
    Column("service", flexible=True),
    Column("duration", right=True),
    Column("calls", right=True),
    Column("errors", right=True),
    Column("input", right=True),
    Column("output", right=True),
    Column("cost", right=True),
)
_SHORT = 16
_ORDERS = {"start": traces, "cost": dearest, "duration": slowest}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch traces`."""
    reading.add_window(parser)
    reading.add_limit(parser, 20, "how many (default: 20)")
    parser.add_argument(
        "--by", choices=tuple(_ORDERS), default="start", help="which first (default: start, the newest)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line and trace; unknown is null")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print the traces."""
    window = reading.window_of(args, time.time_ns())
    with reading.opened(args) as home:
        found = _ORDERS[args.by](home, since_ns=window.since_ns, until_ns=window.until_ns, limit=args.limit)
    if args.json:
        for line in found:
            write(json.dumps(trace_json(line)))
    else:
        write("\n".join(traces_text(found, screen_of())))
    return 0


def trace_json(line: TraceLine) -> dict[str, Any]:
    """A trace's line as JSON."""
    sums = line.sums
    return {
        "trace_id": line.trace_id,
        "name": line.name,
        "service": line.service,
        "started_at": iso(line.started_ns),
        "duration_s": (line.ended_ns - line.started_ns) / 1e9,
        "status": "error" if line.failed else "ok",
        "sampled": line.sampled,
        "spans": line.spans,
        "calls": sums.calls,
        "errors": sums.errors,
        "refused": sums.refused,
        "input_tokens": sums.input_tokens,
        "cache_read_tokens": sums.cache_read_tokens,
        "output_tokens": sums.output_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "cost_usd": None if sums.nano_usd is None else usd_text(sums.nano_usd),
        "cost_is_lower_bound": sums.is_lower_bound,
        "unpriced_calls": sums.unpriced,
    }


def traces_text(found: Sequence[TraceLine], screen: Screen) -> list[str]:
    """The lines of the table. Ids are cut to 16 digits where a terminal shows them: a unique beginning will do."""
    if not found:
        return ["No traces here."]
    return table(_COLUMNS, [_row(line, screen) for line in found], screen)


def _row(line: TraceLine, screen: Screen) -> list[Cell]:
    sums = line.sums
    guessed = bool(sums.approximate or sums.estimated)
    name = clean(line.name or "-") + ("" if line.sampled else " (not sampled)")
    amount = cost(sums.nano_usd, screen, lower_bound=sums.is_lower_bound, guessed=guessed)
    return [
        Cell(line.trace_id if screen.width is None else line.trace_id[:_SHORT], "cyan"),
        Cell(shown(line.started_ns)),
        Cell(name, "red" if line.failed else ""),
        Cell(clean(line.service or "-")),
        Cell(seconds((line.ended_ns - line.started_ns) / 1e9)),
        Cell(number(sums.calls)),
        Cell(number(sums.errors), "red" if sums.errors else ""),
        *(Cell(number(sums.input_tokens)), Cell(number(sums.output_tokens))),
        Cell("unknown" if sums.nano_usd is None and sums.unpriced else amount),
    ]
