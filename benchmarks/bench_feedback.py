"""Measure feedback at scale: python -m benchmarks.bench_feedback.

Takes 100,000 ratings of 100,000 traces through feedback() and into the store, asks for their trends, and clusters
20,000 comments offline. Prints a Markdown line.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import spanwatch
from benchmarks.comments import comments
from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus, Cost, CostStatus, Usage
from spanwatch.core.feedback.themes import themes
from spanwatch.core.records import call_body
from spanwatch.otel.journal import Journal, Origin
from spanwatch.store.feedback import Stretch
from spanwatch.store.projection import project
from spanwatch.store.trends import trends

RATINGS, COMMENTS = 100_000, 20_000
AIMS = {"ingested": 60.0, "trends": 2.0, "themes": 30.0}
SECOND = 1_000_000_000
MODELS, TOOLS, AGENTS = ("gpt-4o", "gpt-4o-mini", "o4-mini"), ("search", "mail", "calendar"), ("orders", "billing")


def traced(home: Path, count: int, rng: random.Random) -> list[tuple[str, float]]:
    """Traces of an agent, a call and a tool each; their traceparents, and what their users will say."""
    journal = Journal(home, Origin("bench"), lambda: f"{rng.getrandbits(128):032x}")
    found = []
    for number in range(count):
        trace_id, at = f"{rng.getrandbits(128) or 1:032x}", time.time_ns() - (count - number) * 10 * SECOND
        root, call, tool = (f"{rng.getrandbits(64) or 1:016x}" for _ in range(3))
        agent, model, used = rng.choice(AGENTS), rng.choice(MODELS), rng.choice(TOOLS)
        bad = rng.random() < (0.4 if used == "search" else 0.1)
        journal.append("call", call_body(_call(trace_id, call, root, at=at, agent=agent, model=model)))
        for span_id, parent, name, end in ((tool, root, f"execute_tool {used}", 1), (root, None, "invoke_agent", 3)):
            said = {names.AGENT_NAME: agent, names.USER_ID: f"user-{number % 5000}", names.APP_VERSION: "1.2"}
            body: dict[str, Any] = {"t": trace_id, "s": span_id, "n": name, "b": at, "e": at + end * SECOND, "a": said}
            journal.append("span", {**body, "p": parent, "kd": 0, "fl": 1, "sc": ["spanwatch", "1", None]})
        found.append((f"00-{trace_id}-{root}-01", rng.choice((1, 2)) if bad else rng.choice((3, 4, 5))))
    journal.close()
    return found


def _call(trace_id: str, span_id: str, parent: str, *, at: int, agent: str, model: str) -> Call:
    return Call(
        call_id=trace_id,
        operation=names.CHAT,
        started_ns=at,
        ended_ns=at + 2 * SECOND,
        provider="openai",
        request_model=model,
        response_model=model,
        usage=Usage(input_tokens=1000, output_tokens=100),
        cost=Cost(2_500_000, CostStatus.PRICED, source="genai-prices"),
        status=CallStatus.OK,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        agent=agent,
    )


def ingested(home: Path, targets: list[tuple[str, float]]) -> None:
    """Every rating through the public function, and all of them in the store."""
    spanwatch.configure(home=home, service="bench", banner="off", live_interval=0)
    for number, (target, rating) in enumerate(targets):
        comment = "It took far too long to answer" if number % 5 == 0 else None
        spanwatch.feedback(target, rating=rating, comment=comment)
    spanwatch.shutdown(60)
    project(home)


def timed(action: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Seconds that passed, seconds of processor time, and the result."""
    began, worked = time.perf_counter(), time.process_time()
    result = action()
    return (time.perf_counter() - began, time.process_time() - worked), result


def measured(home: Path, ratings: int, said: int) -> dict[str, tuple[float, float]]:
    """Seconds of each part, passed and worked, and checks that nothing was lost on the way."""
    logging.getLogger("spanwatch").setLevel(logging.ERROR)
    targets = traced(home, ratings, random.Random(8))
    project(home)
    took, _ = timed(lambda: ingested(home, targets))
    now = time.time_ns()
    asked, found = timed(lambda: trends(home, Stretch(now - 3600 * SECOND, now + SECOND)))
    if found.change.now.n != ratings:
        raise SystemExit(f"{ratings:,} ratings were given and {found.change.now.n:,} are there")
    clustered, _ = timed(lambda: themes([(str(n), text) for n, text in enumerate(comments(said))]))
    return {"ingested": took, "trends": asked, "themes": clustered}


def main() -> None:
    """Measure, and say how far the aims are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_feedback", description=__doc__)
    parser.add_argument("--ratings", type=int, default=RATINGS)
    parser.add_argument("--comments", type=int, default=COMMENTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(Path(scratch) / "store", args.ratings, args.comments)
    figures = ", ".join(
        f"{name} {took:.1f} s, {cpu:.1f} s of CPU (aim {AIMS[name]:g} s)" for name, (took, cpu) in found.items()
    )
    print(f"{args.ratings:,} ratings, {args.comments:,} comments, {datetime.now(UTC):%Y-%m-%d}: {figures}")


if __name__ == "__main__":
    main()
