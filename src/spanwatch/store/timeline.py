"""Sums over calls along time, in slots of equal length, and how their durations are spread."""

from __future__ import annotations

import bisect
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanwatch.core.names.metrics import DURATION_BUCKETS
from spanwatch.core.series import SECOND_NS
from spanwatch.store import database
from spanwatch.store.rollups import HOURS, SUMS, USER_DAYS
from spanwatch.store.schema import DAY_NS, HOUR_NS
from spanwatch.store.summary import Axis, Sums
from spanwatch.store.windows import between

MINUTE_NS = 60 * SECOND_NS
# Steps that people count in; the shortest that needs no more than the wanted number of slots is taken.
STEPS_NS = (
    *(SECOND_NS * n for n in (1, 2, 5, 10, 15, 30)),
    *(MINUTE_NS * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR_NS * n for n in (1, 2, 3, 6, 12)),
    *(DAY_NS * n for n in (1, 2, 7, 14, 30, 90, 365)),
)
_ENDS = "SELECT min(started_ns), max(started_ns) FROM calls WHERE started_ns >= ? AND started_ns < ?"


@dataclass(frozen=True, slots=True)
class Slot:
    """The sums of one key in one slot, which begins at `at_ns`."""

    at_ns: int
    key: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Timeline:
    """Slots of `step_ns` from `start_ns` on, `count` of them; those without calls have no entry in `slots`."""

    start_ns: int
    step_ns: int
    count: int
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """How many durations were at most so many seconds (and above the bound before); the last one has no bound."""

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]


def timeline(
    home: Path, by: Axis, *, since_ns: int | None = None, until_ns: int | None = None, most: int = 48
) -> Timeline:
    """The calls that began in [`since_ns`, `until_ns`) by one axis, in at most `most` slots.

    An open end is where the calls end.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    window = between(since_ns, until_ns)
    with database.reading(home) as db:
        first, last = db.execute(_ENDS, window).fetchone()
        if first is None:
            return Timeline(window[0], STEPS_NS[0], 0, ())
        start = first if since_ns is None else since_ns
        step = _step(last - start, most)
        start = start // step * step
        rows = _rows(db, by, window, step)
    found = tuple(Slot(at * step, key, Sums.of(sums)) for at, key, *sums in rows)
    return Timeline(start, step, last // step - start // step + 1, found)


def spread(home: Path, *, since_ns: int | None = None, until_ns: int | None = None) -> Spread:
    """How the durations of calls that began in a window are spread over the buckets of the metric.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    window = between(since_ns, until_ns)
    with database.reading(home) as db:
        where = "counted AND started_ns >= ? AND started_ns < ?"
        rows = db.execute(f"SELECT duration_ns FROM calls INDEXED BY calls_by_duration WHERE {where}", window)  # noqa: S608 (constants)
        counts = [0] * (len(DURATION_BUCKETS) + 1)
        for (duration,) in rows:
            counts[bisect.bisect_left(DURATION_BUCKETS, duration / 1e9)] += 1
    return Spread(DURATION_BUCKETS, tuple(counts))


def _step(length_ns: int, most: int) -> int:
    """One slot less than wanted is left for the ragged start."""
    return next((step for step in STEPS_NS if length_ns < step * (most - 1)), STEPS_NS[-1])


def _rows(db: sqlite3.Connection, by: Axis, window: tuple[int, int], step: int) -> list[tuple[Any, ...]]:
    """Whole slots of the roll-up where the step is made of them, else the calls themselves."""
    table, column, unit = (USER_DAYS, "day", DAY_NS) if by == "user" else (HOURS, "hour", HOUR_NS)
    found: list[tuple[Any, ...]] = []
    edges = [window]
    if step % unit == 0:
        first, behind = -(-window[0] // unit), window[1] // unit
        edges = [(window[0], first * unit), (behind * unit, window[1])] if first < behind else edges
        if first < behind:
            slot = f"{column} / {step // unit:d}"
            found += db.execute(
                f"SELECT {slot}, {by}, {SUMS} FROM {table} WHERE {column} >= ? AND {column} < ? GROUP BY 1, 2",  # noqa: S608 (constants)
                (first, behind),
            )
    question = f"SELECT started_ns / {step:d}, {by}, {SUMS} FROM measured WHERE started_ns >= ? AND started_ns < ?"  # noqa: S608 (constants)
    for since, until in edges:
        if since < until:
            found += db.execute(f"{question} GROUP BY 1, 2", (since, until))
    return found
