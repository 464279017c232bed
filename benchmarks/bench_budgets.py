"""What a budget adds to a model call: the real client against the demo server, with and without, turn about.

`python -m benchmarks.bench_budgets`. CPU time of the calling thread, in which the call is made; the demo server has a
process of its own. A figure is the median over the rounds of (with a budget - without).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import openai

import spanwatch
from demo.server import DemoProcess

ROUNDS = 15
CALLS = 60
LEDGERS = ("memory", "sqlite")
BUDGET = spanwatch.Budget("daily", usd=9_000, per="user", levels=(0.8, 1.0))


def microseconds(client: openai.OpenAI, calls: int) -> tuple[float, float]:
    """CPU time of this thread and time on the clock, of one call."""
    cpu, clock = time.thread_time(), time.perf_counter()
    with spanwatch.request(user_id="u-1"):
        for _ in range(calls):
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "a question " * 50}], max_tokens=100
            )
    return (time.thread_time() - cpu) / calls * 1e6, (time.perf_counter() - clock) / calls * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ("none", *LEDGERS)}
    with tempfile.TemporaryDirectory() as folder, DemoProcess() as server:
        os.chdir(folder)
        client = openai.OpenAI(base_url=server.base_url, api_key="demo", max_retries=0)
        for turn in range(args.rounds + 1):
            order = list(found) if turn % 2 else list(reversed(found))
            for name in order:
                more = {} if name == "none" else {"budgets": [BUDGET], "ledger": name}
                spanwatch.configure(home=Path(folder) / name, banner=False, live_interval=0, **more)
                microseconds(client, 5)
                figures = microseconds(client, CALLS)
                if turn:  # the first round warms up
                    found[name].append(figures)
        spanwatch.shutdown(2)
        client.close()
    cpu = statistics.median(figure for figure, _ in found["none"])
    print(f"none     {cpu:7.1f} us of CPU per call")
    for name in LEDGERS:
        pairs = list(zip(found[name], found["none"], strict=True))
        cpu = statistics.median(a[0] - b[0] for a, b in pairs)
        clock = statistics.median(a[1] - b[1] for a, b in pairs)
        print(f"{name:8} {cpu:+7.1f} us of CPU per call, {clock:+7.1f} us on the clock")


if __name__ == "__main__":
    sys.exit(main())
