"""What was called, what failed, what it cost; requests, agents, tools, failures by kind, and health.

Sums are over every call, sampled or not. A cost is "at least" so much when some of it is unknown; `~` marks a cost
that is approximate or estimated; the reasons follow. Percentiles are exact.

Examples:
  spanwatch report --since 1h
  spanwatch report --since 2026-10-01 --until 2026-11-01 --by user
  spanwatch report --by agent --json
  spanwatch report --since 7d --html week.html       one file to send: charts, tables, traces; loads nothing
  spanwatch report --since 1d --markdown             for pull requests and chats
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.errors import StoreError
from spanwatch.core.health import Health, Thresholds, thresholds_from
from spanwatch.reports.findings import findings
from spanwatch.reports.health import WINDOW_S, health_of
from spanwatch.reports.html.page import page
from spanwatch.reports.markdown import markdown
from spanwatch.reports.report import report_of
from spanwatch.reports.sections import SECTIONS
from spanwatch.reports.telling import parts_of, window_text

TITLE = "spanwatch report"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch report`."""
    reading.add_window(parser)
    parser.add_argument("--by", choices=("model", "user", "agent"), help="one line for each of them too")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object; unknown is null")
    form.add_argument("--html", metavar="FILE", help="write one HTML file to be sent; it needs spanwatch[html]")
    form.add_argument("--markdown", action="store_true", help="Markdown, for pull requests and chats")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report, or write it to a file."""
    now_ns = time.time_ns()
    window, settings = reading.window_of(args, now_ns), reading.settings_of(args)
    limits = thresholds_from(settings.health or "")
    with reading.opened(args) as home:
        health = _health(home, limits, now_ns)
        if args.html or args.markdown:
            return _send(args, home, window, health, now_ns)
        found = report_of(home, health, SECTIONS, since_ns=window.since_ns, until_ns=window.until_ns, by=args.by)
    write(found.json() if args.json else found.text(screen_of()))
    return 0


def _health(home: Path, limits: Thresholds, now_ns: int) -> Callable[[], Health]:
    return lambda: health_of(home, WINDOW_S, limits, now_ns)


def _send(
    args: argparse.Namespace, home: Path, window: reading.SinceUntil, health: Callable[[], Health], now_ns: int
) -> int:
    found = findings(home, health, at_ns=now_ns, since_ns=window.since_ns, until_ns=window.until_ns)
    parts, about = parts_of(found), window_text(found)
    if args.markdown:
        write(markdown(parts, TITLE, about).rstrip("\n"))
        return 0
    generator = f"spanwatch {importlib.metadata.version('spanwatch')}"
    _put(Path(args.html), page(parts, TITLE, about, generator=generator))
    write(f"{args.html}: open it in a browser, or send it; it loads nothing")
    return 0


def _put(path: Path, text: str) -> None:
    """Write a file whole or not at all, for its owner only."""
    try:
        descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=".spanwatch-", suffix=".html")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
