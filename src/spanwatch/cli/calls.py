"""Every model call, one line each, the oldest first.

With --json each line is one object; unknown is null, money is decimal text. Output begins at once, in any size.

Examples:
  spanwatch calls --limit 20
  spanwatch calls --since 1h --json
  spanwatch calls --json | jq -r 'select(.cost_usd == null) | .cost_reason'
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.harmless import clean
from spanwatch.core.times import shown
from spanwatch.reports.figures import cost, number, seconds
from spanwatch.reports.screen import Screen, Style
from spanwatch.reports.table import Cell, Column, table
from spanwatch.store.calls import StoredCall, calls

_PAGE = 500  # rows that are aligned with each other
_COLUMNS = (
    Column("started (UTC)"),
    Column("operation"),
    Column("model", flexible=True),
    Column("status"),
    Column("duration", right=True),
    Column("input", right=True),
    Column("cached", right=True),
    Column("output", right=True),
    Column("cost", right=True),
    Column("user", flexible=True),
    Column("agent", flexible=True),
)
_STYLES: dict[str, Style] = {"ok": "", "error": "red"}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch calls`."""
    reading.add_window(parser)
    reading.add_limit(parser, None, "the newest N only")
    parser.add_argument("--json", action="store_true", help="one JSON object per line and call")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print the calls."""
    window = reading.window_of(args, time.time_ns())
    with reading.opened(args) as home:
        found = calls(home, since_ns=window.since_ns, until_ns=window.until_ns, limit=args.limit)
        lines = map(_json_line, found) if args.json else calls_text(found, screen_of())
        for page in _pages(lines):
            write("\n".join(page))
    return 0


def _json_line(call: StoredCall) -> str:
    return json.dumps(call.as_dict())


def calls_text(found: Iterable[StoredCall], screen: Screen) -> Iterator[str]:
    """The lines of the table, page by page; headings once."""
    first = True
    for page in _pages(found):
        lines = table(_COLUMNS, [_row(call, screen) for call in page], screen)
        yield from lines if first else lines[1:]
        first = False
    if first:
        yield "No model calls here."


def _pages(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while page := list(islice(iterator, _PAGE)):
        yield page


def _row(call: StoredCall, screen: Screen) -> list[Cell]:
    usage = call.usage or {}
    status = call.status if call.error_type is None else f"{call.status} {call.error_type}"
    return [
        Cell(shown(call.started_ns)),
        Cell(clean(call.operation)),
        Cell(clean(call.model or "unknown")),
        Cell(clean(status), _STYLES.get(call.status, "yellow")),
        Cell(seconds(call.duration_ns / 1e9)),
        *(Cell(number(usage.get(name))) for name in ("input_tokens", "cache_read_tokens", "output_tokens")),
        amount(call, screen),
        *(Cell(clean(call.user_id or "-")), Cell(clean(call.agent or "-"))),
    ]


def amount(call: StoredCall, screen: Screen) -> Cell:
    """What a call cost, or why that is not known."""
    if call.nano_usd is None:
        known = call.counted and call.status != "error" and call.cost_reason
        return Cell(clean(call.cost_reason), "yellow") if known else Cell("-")
    guessed = call.cost_status in {"approximate", "estimated"}
    return Cell(cost(call.nano_usd, screen, lower_bound=call.cost_status == "partial", guessed=guessed))
