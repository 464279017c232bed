"""A journal written by hand, byte for byte as a process writes it, and the calls and spans that go into it."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from pathlib import Path
from typing import Any

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus, Cost, CostReason, CostStatus, Usage
from spanwatch.core.records import call_body, frame
from spanwatch.store import files, locks

START_NS = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
UNPRICED = Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))

_numbers = itertools.count(1)


def new_id(width: int = 32) -> str:
    return f"{next(_numbers):0{width}x}"


class Segment:
    """One segment, its writer alive (locked) until `close()`."""

    def __init__(self, home: Path, *, instance: str | None = None, number: int = 1, alive: bool = False, **head: Any):
        self.instance = instance or new_id()
        folder = home / "journal"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{self.instance}-{number}.log"
        self._fd = files.open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._alive = alive
        if alive:
            locks.acquire(self._fd)
        body = {"v": 1, "instance": self.instance, "pid": 1, "run": None, "service": "svc", "at": START_NS}
        self.write("head", {**body, "resource": {"service.name": "svc"}, **head})

    def write(self, kind: str, body: dict[str, Any]) -> None:
        os.write(self._fd, frame(kind, body))

    def raw(self, data: bytes) -> None:
        os.write(self._fd, data)

    def close(self) -> None:
        os.close(self._fd)


@contextlib.contextmanager
def segment(home: Path, **options: Any):
    """A segment that is finished, its writer gone, at the end of the block."""
    found = Segment(home, **options)
    try:
        yield found
    finally:
        found.close()


def call(**changes: Any) -> Call:
    """A priced chat of one second that began at START_NS."""
    started = changes.pop("started_ns", START_NS)
    defaults: dict[str, Any] = {
        "call_id": new_id(),
        "operation": names.CHAT,
        "started_ns": started,
        "ended_ns": started + changes.pop("duration_ns", SECOND),
        "provider": "openai",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "usage": Usage(input_tokens=100, output_tokens=10, cache_read_tokens=40),
        "cost": Cost(1_000, CostStatus.PRICED, source="genai-prices", price_version="0.2.2"),
        "trace_id": new_id(),
        "span_id": new_id(16),
    }
    return Call(**{**defaults, **changes})


def unknown(reason: CostReason = CostReason.NO_USAGE) -> dict[str, Any]:
    """What a call without usage has."""
    return {"usage": None, "cost": Cost(None, CostStatus.UNKNOWN, (reason,))}


def span(**changes: Any) -> dict[str, Any]:
    """The body of a span of one second."""
    return {
        "t": new_id(), "s": new_id(16), "n": "chat gpt-4o", "b": START_NS, "e": START_NS + SECOND, "kd": 2, "fl": 1,
        "sc": ["spanwatch", "0.1.0", None], **changes,
    }  # fmt: skip


def keep(home: Path, *calls: Call, spans: Any = (), logs: Any = (), **options: Any) -> None:
    """Write a finished segment of these records."""
    with segment(home, **options) as found:
        for each in spans:
            found.write("span", each)
        for one in calls:
            found.write("call", call_body(one))
        for each in logs:
            found.write("log", each)


def rows(home: Path, question: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database answers, asked behind the store's back."""
    with contextlib.closing(sqlite3.connect(home / "store.db")) as db:
        return db.execute(question, values).fetchall()


@contextlib.contextmanager
def changing(home: Path):
    """The database, changed behind the store's back."""
    with contextlib.closing(sqlite3.connect(home / "store.db")) as db, db:
        yield db


def adds_up(home: Path) -> None:
    """Check that the roll-ups are the sums of the calls that are there."""
    measures = ("calls", "nano_usd", "input_tokens", "reasoning_tokens")
    for table, keys in (("hours", "hour, run, model, agent, reason"), ("user_days", "day, user")):
        stored = rows(home, f"SELECT {keys}, {', '.join(measures)} FROM {table} ORDER BY {keys}")
        sums = ", ".join(f"sum({name})" for name in measures)
        assert stored == rows(home, f"SELECT {keys}, {sums} FROM measured GROUP BY {keys} ORDER BY {keys}")


__all__ = [
    "HOUR", "SECOND", "START_NS", "UNPRICED", "CallStatus", "Segment", "adds_up", "call", "changing", "keep", "new_id",
    "rows", "segment", "span", "unknown",
]  # fmt: skip
