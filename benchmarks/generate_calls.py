"""Make a store of many calls, quickly: python -m benchmarks.generate_calls --calls 1000000 --home /tmp/store.

The calls are spread over 20 days and a few models, users and agents; every fifth is a stream, some failed, some have
no usage, some no price. `--spans` adds one trace of that many spans, a model call on every fifth.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from spanwatch.core.call import Call, CallStatus, Cost, CostReason, CostStatus, Usage
from spanwatch.core.names import CHAT
from spanwatch.core.records import call_body, frame
from spanwatch.store import database, rollups
from spanwatch.store.batch import _INSERT_CALL
from spanwatch.store.projection import project
from spanwatch.store.rows import Row, call_row

DAY_NS = 86_400_000_000_000
DAYS = 20
BATCH = 20_000
BIG_TRACE = "b16" + "0" * 29
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-5-mini", "o4-mini", "text-embedding-3-small", "acme-1")
NO_USAGE = Cost(None, CostStatus.UNKNOWN, (CostReason.NO_USAGE,))
NO_PRICE = Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))


def calls(count: int, until_ns: int, chance: random.Random) -> Iterator[Call]:
    """`count` calls that ended before `until_ns`, in order of time; four to a trace."""
    step = DAYS * DAY_NS // max(count, 1)
    for number in range(count):
        started = until_ns - DAYS * DAY_NS + number * step
        duration = int(chance.lognormvariate(-0.3, 0.8) * 1e9)
        yield _call(number, started, duration, chance)


def _call(number: int, started: int, duration: int, chance: random.Random) -> Call:
    model, dice = MODELS[number % len(MODELS)], chance.random()
    usage: Usage | None = Usage(chance.randrange(50, 9000), chance.randrange(1, 900), chance.randrange(40))
    cost = Cost(chance.randrange(1, 40_000_000), CostStatus.PRICED, source="genai-prices", price_version="0.2.2")
    status = CallStatus.OK
    if dice < 0.03:
        usage, cost, status = None, NO_USAGE, CallStatus.ERROR if dice < 0.02 else CallStatus.ABANDONED
    elif model == "acme-1":
        cost = NO_PRICE
    stream = number % 5 == 0
    return Call(
        call_id=f"{number:032x}",
        operation=CHAT,
        started_ns=started,
        ended_ns=started + duration,
        status=status,
        provider="openai",
        request_model=model,
        response_model=None if status is CallStatus.ERROR else f"{model}-2024-08-06",
        usage=usage,
        cost=cost,
        stream=stream,
        time_to_first_chunk_s=duration / 4e9 if stream else None,
        error_type="RateLimitError" if status is CallStatus.ERROR else None,
        user_id=f"user-{chance.randrange(500)}",
        agent=("orders", "refunds", None)[number % 3],
        trace_id=f"{number // 4 + 1:032x}",
        span_id=f"{number + 1:016x}",
    )


def generate(home: Path, count: int, *, spans: int = 0, until_ns: int | None = None) -> None:
    """Add `count` calls to the store in `home`, and one trace of `spans` spans."""
    until, chance = time.time_ns() if until_ns is None else until_ns, random.Random(7)
    with database.writing(home) as db:
        db.execute("INSERT INTO sources (instance, service) VALUES ('bench', 'bench') ON CONFLICT DO NOTHING")
        source: int = db.execute("SELECT id FROM sources WHERE instance = 'bench'").fetchone()[0]
        for rows in _batches(call_row(call_body(call), source) for call in calls(count, until, chance)):
            with database.transaction(db):
                last = db.execute("SELECT coalesce(max(id), 0) FROM calls").fetchone()[0]
                db.executemany(_INSERT_CALL, rows)
                rollups.add_after(db, last)
        with database.transaction(db):
            db.execute(
                "INSERT INTO traces SELECT trace_id, min(started_ns), max(started_ns + duration_ns) FROM calls "
                "GROUP BY trace_id ON CONFLICT DO NOTHING"
            )
    if spans:
        _journal(home, big_trace(spans, until, chance))
        project(home)


def add_call(home: Path, at_ns: int) -> None:
    """One more call, in the journal as a process would leave it."""
    call = _call(at_ns, at_ns - 1_000_000_000, 900_000_000, random.Random(at_ns))
    _journal(home, [("call", call_body(call))])


def big_trace(count: int, until_ns: int, chance: random.Random) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Records of one trace: each span below one of the hundred before it."""
    started = until_ns - count * 1_000_000
    for number in range(count):
        begins, parent = started + number * 900_000, max(number - chance.randrange(1, 100), 0) + 1
        span_id = f"{number + 1:016x}"
        body = {"t": BIG_TRACE, "s": span_id, "n": "execute_tool look_up", "b": begins, "e": begins + 800_000_000}
        yield "span", {**body, "kd": 0, "fl": 1, **({"p": f"{parent:016x}"} if number else {})}
        if number % 5 == 4:
            call = _call(1 << 60 | number, begins, 700_000_000, chance)
            yield "call", {**call_body(call), "trace_id": BIG_TRACE, "span_id": span_id, "parent_span_id": None}


def _journal(home: Path, records: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    folder = home / "journal"
    folder.mkdir(mode=0o700, exist_ok=True)
    instance = f"{time.time_ns():032x}"
    with (folder / f"{instance}-1.log").open("wb") as file:
        file.write(frame("head", {"v": 1, "instance": instance, "service": "bench", "at": time.time_ns()}))
        file.writelines(frame(kind, body) for kind, body in records)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate_calls", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--spans", type=int, default=0)
    args = parser.parse_args()
    began = time.perf_counter()
    generate(args.home, args.calls, spans=args.spans)
    print(f"{args.calls:,} calls and {args.spans:,} spans in {time.perf_counter() - began:.1f} s: {args.home}")


if __name__ == "__main__":
    main()
