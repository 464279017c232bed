"""The summary that follows the end of a program under `spanwatch run`."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from spanwatch.cli.screen import screen_of
from spanwatch.core.errors import StoreError
from spanwatch.reports.summary_text import summary_text
from spanwatch.store.catching_up import caught_up
from spanwatch.store.home import exists
from spanwatch.store.schema import HOUR_NS
from spanwatch.store.summary import summary

NOTHING = "spanwatch: no model calls were seen (what is seen: the openai client, in Python processes of this program)"


def exit_summary(home: Path, run_id: str, began_ns: int) -> str:
    """What one run called, what failed and what it cost, or one line that says why there is nothing.

    Args:
        home: The store's directory.
        run_id: The run, as its processes have it in SPANWATCH_RUN.
        began_ns: When it began, UNIX nanoseconds.
    """
    if not exists(home):
        return NOTHING
    try:
        with caught_up(home) as place:  # from the hour on: a clock set back a little loses nothing
            found = summary(place, since_ns=began_ns // HOUR_NS * HOUR_NS, run=run_id)
    except (StoreError, OSError, sqlite3.Error) as error:
        return f"spanwatch: no summary: {' '.join(str(error).split())}"
    if not (found.sums.calls or found.sums.refused):
        return NOTHING
    lines = summary_text(found, screen_of(sys.stderr))
    return "\n".join([_head(run_id, screen_of(sys.stderr).colour), *lines[1:]])


def _head(run_id: str, colour: bool) -> str:
    text = f"spanwatch: run {run_id[:8]}"
    return f"\x1b[1m{text}\x1b[0m" if colour else text
