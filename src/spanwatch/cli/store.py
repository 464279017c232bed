"""The embedded store: sizes, pruning, export, forgetting a user.

Retention also runs by itself in every traced process; `prune` is for now, or for other limits than the settings say.

Examples:
  spanwatch store stats
  spanwatch store prune --days 7
  spanwatch store export > spans.jsonl       # OTLP JSON lines, for a collector's otlpjsonfile receiver
  spanwatch store forget --user alice
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.errors import StoreError
from spanwatch.core.harmless import clean
from spanwatch.core.settings import Settings
from spanwatch.core.times import iso, shown
from spanwatch.reports.figures import counted, size
from spanwatch.store.database import nothing_in
from spanwatch.store.forget import forget
from spanwatch.store.home import exists
from spanwatch.store.otlp import export, without_span
from spanwatch.store.projection import project
from spanwatch.store.retention import Limits, prune
from spanwatch.store.stats import StoreStats, stats


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `spanwatch store`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    of_stats = actions.add_parser("stats", help="sizes, rows, the oldest and newest, what waits, what was lost")
    of_stats.add_argument("--json", action="store_true", help="one JSON object")
    amount = reading.number(float, 0.0, 1e18, "a number from 0")
    of_prune = actions.add_parser("prune", help="forget what is too old, and the oldest where it is too much")
    of_prune.add_argument("--days", type=amount, metavar="N", help="age to keep (default: setting retention_days)")
    of_prune.add_argument("--bytes", type=amount, metavar="N", help="size to keep (default: setting retention_bytes)")
    of_export = actions.add_parser("export", help="spans and logs as OTLP JSON lines on stdout")
    reading.add_window(of_export)
    of_forget = actions.add_parser("forget", help="remove everything of one user")
    of_forget.add_argument("--user", required=True, metavar="ID", help="the user's id, exactly as it was recorded")
    for action in (of_stats, of_prune, of_export, of_forget):
        reading.add_home(action)


def run(args: argparse.Namespace) -> int:
    """Do one action."""
    try:
        _ACTIONS[args.action](args)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise StoreError(f"the store cannot be used: {error}") from error
    return 0


def _stats(args: argparse.Namespace) -> None:
    settings = reading.settings_of(args)
    with reading.opened(args) as home:
        found = stats(home, Path(settings.home))
    if args.json:
        times = {name: None if at is None else iso(at) for name, at in _ends(found)}
        values = {**asdict(found), "rows": dict(found.rows), "losses": dict(found.losses), **times}
        kept = {name: value for name, value in values.items() if not name.endswith("_ns")}
        retention = {"retention_days": settings.retention_days, "retention_bytes": settings.retention_bytes}
        write(json.dumps({"home": settings.home, **kept, **retention}, indent=2))
    else:
        screen = screen_of()
        for name, text in _stats_text(found, settings):
            write(f"{screen.style(f'{name:<12}', 'dim')}{text}")


def _ends(found: StoreStats) -> tuple[tuple[str, int | None], tuple[str, int | None]]:
    return ("oldest", found.oldest_ns), ("newest", found.newest_ns)


def _stats_text(found: StoreStats, settings: Settings) -> list[tuple[str, str]]:
    lost = ", ".join(f"{count:,} {clean(reason)}" for reason, count in found.losses)
    return [
        ("home", clean(Path(settings.home).absolute())),
        ("database", f"{size(found.database_bytes)}, schema version {found.version}"),
        ("journal", f"{counted(found.segments, 'segment')} of running processes, {size(found.journal_bytes)}"),
        *((name, f"{count:,}") for name, count in found.rows),
        *((name, "-" if at is None else f"{shown(at)} UTC") for name, at in _ends(found)),
        ("lost", lost or "nothing that telemetry knows of"),
        ("retention", f"{settings.retention_days:g} days, {size(settings.retention_bytes)}"),
        *([("set aside", counted(found.set_aside, "damaged file"))] if found.set_aside else []),
    ]


def _prune(args: argparse.Namespace) -> None:
    settings = reading.settings_of(args)
    home = Path(settings.home)
    if not exists(home):
        raise StoreError(nothing_in(home))
    project(home)
    days = settings.retention_days if args.days is None else args.days
    most = settings.retention_bytes if args.bytes is None else int(args.bytes)
    gone = prune(home, Limits(days, most), time.time_ns())
    write(
        f"removed {counted(gone.calls, 'call')}, {counted(gone.spans, 'span')}, {counted(gone.logs, 'log')}"
        + (f", {counted(gone.feedback, 'rating')}" if gone.feedback else "")
        + (f", {counted(gone.set_aside, 'damaged file')}" if gone.set_aside else "")
        + f"; {size(gone.bytes_before)} before, {size(gone.bytes_after)} now"
    )


def _export(args: argparse.Namespace) -> None:
    window = reading.window_of(args, time.time_ns())
    with reading.opened(args) as home:
        for line in export(home, since_ns=window.since_ns, until_ns=window.until_ns):
            write(line)
        left_out = without_span(home, since_ns=window.since_ns, until_ns=window.until_ns)
    if left_out:
        told = f"spanwatch: {counted(left_out, 'call')} without a sampled span left out; spanwatch calls --json has all"
        write(told, sys.stderr)


def _forget(args: argparse.Namespace) -> None:
    gone = forget(Path(reading.settings_of(args).home), args.user)
    write(
        f"forgot {clean(args.user)}: {counted(gone.calls, 'call')}, {counted(gone.spans, 'span')}, "
        f"{counted(gone.logs, 'log')}"
        + (f", {counted(gone.feedback, 'rating')}" if gone.feedback else "")
        + f"; overwrote {counted(gone.journal_records, 'journal record')}"
        + (f"; removed {counted(gone.alerts, 'alert')} of the history" if gone.alerts else "")
        + (f"; removed {counted(gone.set_aside, 'damaged file')}" if gone.set_aside else "")
    )


_ACTIONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "stats": _stats,
    "prune": _prune,
    "export": _export,
    "forget": _forget,
}
