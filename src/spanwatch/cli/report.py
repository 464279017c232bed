"""What was called, what failed, what it cost; requests, agents, tools, failures by kind, and health.

Sums are over every call, sampled or not. A cost is "at least" so much when some of it is unknown; `~` marks a cost
that is approximate or estimated; the reasons follow. Percentiles are exact.

Examples:
  spanwatch report --since 1h
  spanwatch report --since 2026-10-01 --until 2026-11-01 --by user
  spanwatch report --by agent --json
"""

from __future__ import annotations

import argparse
import time

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.health import thresholds_from
from spanwatch.reports.health import WINDOW_S, health_of
from spanwatch.reports.report import report_of
from spanwatch.reports.sections import SECTIONS


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch report`."""
    reading.add_window(parser)
    parser.add_argument("--by", choices=("model", "user", "agent"), help="one line for each of them too")
    parser.add_argument("--json", action="store_true", help="one JSON object; unknown is null")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    now_ns = time.time_ns()
    window, settings = reading.window_of(args, now_ns), reading.settings_of(args)
    limits = thresholds_from(settings.health or "")
    with reading.opened(args) as home:
        found = report_of(
            home,
            lambda: health_of(home, WINDOW_S, limits, now_ns),
            SECTIONS,
            since_ns=window.since_ns,
            until_ns=window.until_ns,
            by=args.by,
        )
    write(found.json() if args.json else found.text(screen_of()))
    return 0
