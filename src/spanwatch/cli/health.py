"""How the agents of this store are: healthy, degraded, unhealthy or no data, and why.

All processes that share the store are seen as one, also those that have ended within the window.

Exit codes: 0 healthy, 1 degraded, 2 unhealthy, 3 no data, or a store that cannot be read. A wrong command line or
setting is 2 as well, with a text on stderr.

Limits are those of the setting `health` (SPANWATCH_HEALTH), such as: success_rate=0.95/0.9, mean_s=5/10, p95_s=off

Examples:
  spanwatch health
  spanwatch health --window 1h --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.durations import seconds
from spanwatch.core.errors import StoreError, UsageError
from spanwatch.core.health import HealthState, as_json, thresholds_from
from spanwatch.core.series import KEEP_NS, SECOND_NS
from spanwatch.reports.health import health_of, health_text

CODES = {HealthState.HEALTHY: 0, HealthState.DEGRADED: 1, HealthState.UNHEALTHY: 2, HealthState.NO_DATA: 3}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch health`."""
    parser.add_argument(
        "--window", metavar="LENGTH", default="5m", help="how far back, such as 90s, 5m, 1h (default: 5m)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object; unknown is null")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print the verdict; its exit code."""
    window_s = _length(args.window)
    settings = reading.settings_of(args)
    try:
        found = health_of(Path(settings.home), window_s, thresholds_from(settings.health or ""), time.time_ns())
    except StoreError as error:
        sys.stderr.write(f"spanwatch: {error}\n")
        return CODES[HealthState.NO_DATA]
    write(json.dumps(as_json(found)) if args.json else "\n".join(health_text(found, screen_of())))
    return CODES[found.state]


def _length(text: str) -> float:
    try:
        length_s = seconds(text)
    except ValueError as error:
        raise UsageError(f"--window {error}") from None
    if length_s > KEEP_NS / SECOND_NS:
        raise UsageError(f"--window {text} is longer than samples are kept: 3d at most")
    return length_s
