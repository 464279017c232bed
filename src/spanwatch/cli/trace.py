"""One trace as a tree, with durations, tokens, cost, and the sums of what lies below each span.

A beginning of the id will do where it is unique. Calls whose span was not sampled are there too, and say so. A cost
after `>=` is a lower bound, `~` marks one that is approximate or estimated.

Examples:
  spanwatch trace 4bf92f3577b34da6
  spanwatch trace 4bf92f3577b34da6a3ce929d0e0e4736 --json
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
from collections.abc import Iterator

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.cli.trace_text import trace_text
from spanwatch.store.trace import trace


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch trace`."""
    parser.add_argument("trace_id", metavar="TRACE_ID", help="the trace's id, or a beginning that no other has")
    parser.add_argument("--json", action="store_true", help="one JSON object; unknown is null")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print the trace."""
    with reading.opened(args) as home, _one_long_breath():
        found = trace(home, args.trace_id, attributes=args.json)
        if args.json:
            write(json.dumps(found.as_dict()))
        else:
            write("\n".join(trace_text(found, screen_of())))
    return 0


@contextlib.contextmanager
def _one_long_breath() -> Iterator[None]:
    """No garbage collection: everything lives to the end, and looking for garbage took a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
