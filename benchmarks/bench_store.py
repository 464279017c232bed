"""Measure the looking verbs on a large store, as whole commands, and refreshes of the live view of its last day.

python -m benchmarks.bench_store

Prints a Markdown line. `--home` keeps the store of 1,000,000 calls and one trace of 100,000 spans for the next time.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.generate_calls import BIG_TRACE, add_call, generate
from spanwatch.core.health import Thresholds
from spanwatch.reports.watching.watch import Watch

CALLS, SPANS, TURNS = 1_000_000, 100_000, 5
DAY_S = 86_400.0
AIMS = {"report": 1.0, "report of 7 days by user": 1.0, "trace": 2.0, "traces": 1.0, "refresh of top": 0.2}


def commands(since: str) -> dict[str, list[str]]:
    return {
        "report": ["report"],
        "report of 7 days by user": ["report", "--since", since, "--by", "user"],
        "trace": ["trace", BIG_TRACE],
        "traces": ["traces"],
    }


def seconds(words: list[str], home: Path) -> float:
    """One whole command, its output thrown away."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "spanwatch", *words, "--home", str(home)], stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - began


def measured(home: Path) -> dict[str, float]:
    """Medians of TURNS runs of each command, interleaved, after one that warms up."""
    times: dict[str, list[float]] = {}
    for turn in range(TURNS + 1):
        for name, words in commands("7d").items():
            took = seconds(words, home)
            if turn:
                times.setdefault(name, []).append(took)
    return {name: statistics.median(taken) for name, taken in times.items()}


def refreshed(home: Path) -> float:
    """The median of TURNS readings of the live view, after the first one, while a call comes between each two."""
    watch, times = Watch(home, DAY_S, Thresholds()), []
    for turn in range(TURNS + 1):
        add_call(home, time.time_ns())
        began = time.perf_counter()
        watch.look(time.time_ns())
        if turn:
            times.append(time.perf_counter() - began)
    watch.close()
    return statistics.median(times)


def main() -> None:
    """Make the store where there is none, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_store", description=__doc__)
    parser.add_argument("--home", type=Path, help="directory of the store; made when missing, kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = args.home or Path(scratch) / "store"
        if not (home / "store.db").exists():
            generate(home, CALLS, spans=SPANS)
        found = {**measured(home), "refresh of top": refreshed(home)}
    figures = ", ".join(f"`{name}` {took:.2f} s (aim {AIMS[name]:g} s)" for name, took in found.items())
    print(f"{CALLS:,} calls, a trace of {SPANS:,} spans, {datetime.now(UTC):%Y-%m-%d}: {figures}")


if __name__ == "__main__":
    main()
