"""A live view of the store and of all processes that write to it: health, cost, latency, models, agents, tools, traces.

Keys: left and right another table, Enter the trace, s and r the order, / a filter, w the window, p pause, ? help,
q the end. Percentiles are within 1 %; sums are exact. NO_COLOR is honoured. `--once` prints everything once as plain
lines, for logs, CI and screen readers, and needs nothing installed.

Examples:
  spanwatch top
  spanwatch top --window 15m --home /var/lib/spanwatch
  spanwatch top --once
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.budgets import Standing
from spanwatch.core.errors import UsageError
from spanwatch.core.health import thresholds_from
from spanwatch.core.settings import Settings
from spanwatch.otel.budgets.asking import standings
from spanwatch.otel.budgets.ledgers import ledger_of
from spanwatch.reports.watching.accounts import Ask
from spanwatch.reports.watching.watch import Watch
from spanwatch.reports.watching.words import plain
from spanwatch.store.ledger.sqlite import DATABASE

WINDOWS = {"5m": 300.0, "15m": 900.0, "1h": 3600.0, "6h": 21_600.0, "24h": 86_400.0}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch top`."""
    parser.add_argument("--window", choices=WINDOWS, default="1h", help="how far back (default: 1h); w changes it")
    every = reading.number(float, 0.2, 3600.0, "seconds from 0.2 to 3600")
    parser.add_argument("--every", metavar="SECONDS", type=every, default=4.0, help="refresh (default: 4)")
    parser.add_argument("--once", action="store_true", help="print it once as plain lines")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Watch until q is pressed, or look once."""
    settings = reading.settings_of(args)
    limits = thresholds_from(settings.health or "")
    with reading.opened(args) as home, _asking(settings) as ask:
        if args.once:
            watch = Watch(home, WINDOWS[args.window], limits, ask)
            snapshot = watch.look(time.time_ns())
            watch.close()
            write("\n".join(plain(snapshot, screen_of())))
            return 0
        app = _app()(lambda window_s: Watch(home, window_s, limits, ask), home, WINDOWS, args.window, args.every)
        app.run()
    return int(app.return_code or 0)


@contextlib.contextmanager
def _asking(settings: Settings) -> Iterator[Ask | None]:
    """How to ask the ledger; None where each process keeps its own."""
    place = settings.ledger_in_force
    if place == "memory":
        yield None
        return
    with contextlib.closing(ledger_of(settings)) as ledger:

        def ask(now_ns: int) -> Sequence[Standing]:
            if place == "sqlite" and not (Path(settings.home) / DATABASE).exists():
                return ()  # who looks makes no file
            return standings(ledger, settings.budgets, now_ns)

        yield ask


def _app() -> Callable[..., Any]:
    try:
        import textual  # noqa: F401, PLC0415 (optional extra)
    except ImportError:
        raise UsageError(
            "the live view needs textual: pip install 'spanwatch[top]' (--once prints the same without it)"
        ) from None
    found: Callable[..., Any] = importlib.import_module("spanwatch.cli.top_app").Top
    return found
