"""What was called, what failed, what it cost: exact sums, and exact percentiles by nearest rank."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spanwatch.store import database
from spanwatch.store.rollups import HOURS, SUMS, USER_DAYS
from spanwatch.store.schema import DAY_NS, HOUR_NS, MEASURES
from spanwatch.store.windows import FOREVER, between

Axis = Literal["model", "user", "agent"]
_NAMES = tuple(name for name, _ in MEASURES)
_UNKNOWABLE = 7  # the last measures: NULL where unknown; the others are counts
_WIDE = 0.1  # a window with more than this share of all calls is read along the index of durations


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over calls. Tokens and cost are over those where they are known, None where they are for none.

    `calls` leaves out refused ones and fetches of earlier responses. `without_usage` and `unpriced` leave out calls
    that failed. `partial` costs are lower bounds; `nano_usd` is 1e-9 USD; `duration_ns` is the sum of all durations.
    `charged_nano_usd` is what budgets were charged by estimate for calls whose usage is unknown: in no other sum.
    """

    calls: int = 0
    errors: int = 0
    cancelled: int = 0
    abandoned: int = 0
    refused: int = 0
    without_usage: int = 0
    unpriced: int = 0
    partial: int = 0
    approximate: int = 0
    estimated: int = 0
    first_chunks: int = 0
    duration_ns: int | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    nano_usd: int | None = None
    charged_nano_usd: int | None = None

    def __add__(self, other: Sums) -> Sums:
        parts: list[Any] = [_sum(getattr(self, name), getattr(other, name)) for name in _NAMES]
        return Sums(*parts)

    @staticmethod
    def of(row: Sequence[int | None]) -> Sums:
        """Sums from a row of SUMS; over no rows at all everything is None there, and counts are 0 here."""
        counts = len(_NAMES) - _UNKNOWABLE
        values: list[Any] = [value or 0 for value in row[:counts]]
        return Sums(*values, *row[counts:])

    @property
    def is_lower_bound(self) -> bool:
        """Whether the true cost is above `nano_usd`, by an unknown amount."""
        return bool(self.unpriced or self.partial)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds by nearest rank over `count` calls; None when there are none."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The sums of one model, user or agent; an empty key is one that is not known."""

    key: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Calls without a cost, by reason and model."""

    reason: str
    model: str
    calls: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One report. Times are UNIX nanoseconds, None when open; groups are by cost, the dearest first."""

    since_ns: int | None
    until_ns: int | None
    sums: Sums
    duration: Percentiles
    first_chunk: Percentiles
    models: tuple[Group, ...]
    unpriced: tuple[Unpriced, ...]
    by: Axis | None
    groups: tuple[Group, ...]
    losses: tuple[tuple[str, int], ...]


def summary(
    home: Path,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    run: str | None = None,
    by: Axis | None = None,
) -> Summary:
    """The report of the calls that began in [`since_ns`, `until_ns`), of one run when `run` names one.

    Project first: this reads what is stored.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        return summarised(db, _Window(*between(since_ns, until_ns), run), by)


def grouped(home: Path, by: Axis, *, since_ns: int | None = None, until_ns: int | None = None) -> tuple[Group, ...]:
    """The sums of a window by one axis, the dearest first.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        window = _Window(*between(since_ns, until_ns), None)
        return _merged((key, sums) for (key,), sums in _grouped(db, window, (by,)))


@dataclass(frozen=True, slots=True)
class _Window:
    since: int
    until: int
    run: str | None


def summarised(db: sqlite3.Connection, window: _Window, by: Axis | None) -> Summary:
    """The report of a window of an open store."""
    parts = [(model, reason, sums) for (model, reason), sums in _grouped(db, window, ("model", "reason"))]
    models = _merged((model, sums) for model, _, sums in parts)
    total = sum((group.sums for group in models), Sums())
    unpriced = [Unpriced(reason, model, sums.unpriced) for model, reason, sums in parts if sums.unpriced]
    groups = models if by == "model" else _merged((key, s) for (key,), s in _grouped(db, window, (by,))) if by else ()
    return Summary(
        since_ns=window.since or None,
        until_ns=None if window.until == FOREVER else window.until,
        sums=total,
        duration=_percentiles(db, window, "duration_ns", total.calls, 1e9),
        first_chunk=_percentiles(db, window, "first_chunk_s", total.first_chunks, 1.0),
        models=models,
        unpriced=tuple(sorted(unpriced, key=lambda each: (-each.calls, each.reason, each.model))),
        by=by,
        groups=groups,
        losses=_losses(db, window),
    )


def _grouped(db: sqlite3.Connection, window: _Window, keys: Sequence[str]) -> list[tuple[tuple[str, ...], Sums]]:
    """Sums by keys: whole slots from the roll-up, ragged edges from the calls themselves."""
    if keys == ("user",) and window.run is None:
        table, slot, slot_ns = USER_DAYS, "day", DAY_NS
    else:
        table, slot, slot_ns = HOURS, "hour", HOUR_NS
    first, behind = -(-window.since // slot_ns), window.until // slot_ns
    edges = [(window.since, first * slot_ns), (behind * slot_ns, window.until)]
    if (table == HOURS and keys == ("user",)) or first >= behind:
        edges = [(window.since, window.until)]
        first = behind
    of_run, run = ("", ()) if window.run is None else (" AND run = ?", (window.run,))
    head = f"SELECT {', '.join(keys)}, {SUMS} FROM"
    tail = f"{of_run} GROUP BY {', '.join(keys)}"
    found: list[tuple[Any, ...]] = []
    if first < behind:
        found += db.execute(f"{head} {table} WHERE {slot} >= ? AND {slot} < ?{tail}", (first, behind, *run))
    for since, until in edges:
        if since < until:
            found += db.execute(f"{head} measured WHERE started_ns >= ? AND started_ns < ?{tail}", (since, until, *run))
    return [(row[: len(keys)], Sums(*row[len(keys) :])) for row in found]


def _merged(parts: Iterable[tuple[str, Sums]]) -> tuple[Group, ...]:
    groups: dict[str, Sums] = {}
    for key, sums in parts:
        groups[key] = groups[key] + sums if key in groups else sums
    found = [Group(key, sums) for key, sums in groups.items() if sums.calls or sums.refused or sums.nano_usd]
    return tuple(sorted(found, key=lambda group: (-(group.sums.nano_usd or 0), -group.sums.calls, group.key)))


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


_OF_RUN = " AND source IN (SELECT id FROM sources WHERE run = ?)"
_RANKS = (0.5, 0.95, 0.99)


def _percentiles(db: sqlite3.Connection, window: _Window, column: str, count: int, unit: float) -> Percentiles:
    """Exact percentiles of a column: along its index for wide windows, by sorting the rows of narrow ones."""
    if not count:
        return Percentiles()
    ranks = [math.ceil(share * count) - 1 for share in _RANKS]
    if window.run is None and count > _WIDE * _counted(db):
        found = [_along_index(db, window, column, rank, count) for rank in ranks]
    else:
        where = f"counted AND {column} IS NOT NULL AND started_ns >= ? AND started_ns < ?"
        run = "" if window.run is None else _OF_RUN
        values = (window.since, window.until) if window.run is None else (window.since, window.until, window.run)
        rows = db.execute(f"SELECT {column} FROM calls INDEXED BY calls_by_start WHERE {where}{run}", values)  # noqa: S608 (constants)
        ordered = sorted(value for (value,) in rows)
        found = [ordered[rank] for rank in ranks]
    return Percentiles(count, *(value / unit for value in found))


def _along_index(db: sqlite3.Connection, window: _Window, column: str, rank: int, count: int) -> float:
    """The value at a rank, counted from the nearer end."""
    from_end = rank > count // 2
    order, offset = ("DESC", count - 1 - rank) if from_end else ("ASC", rank)
    bounds = (
        ("", ())
        if window.since == 0 and window.until == FOREVER
        else (
            " AND started_ns >= ? AND started_ns < ?",
            (window.since, window.until),
        )
    )
    known = " AND first_chunk_s IS NOT NULL" if column == "first_chunk_s" else ""
    index = {"duration_ns": "calls_by_duration", "first_chunk_s": "calls_by_first_chunk"}[column]
    question = (
        f"SELECT {column} FROM calls INDEXED BY {index} WHERE counted{known}{bounds[0]} "  # noqa: S608 (constants)
        f"ORDER BY {column} {order} LIMIT 1 OFFSET ?"
    )
    value: float = db.execute(question, (*bounds[1], offset)).fetchone()[0]
    return value


def _counted(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(sum(calls), 0) FROM hours").fetchone()[0])


def _losses(db: sqlite3.Connection, window: _Window) -> tuple[tuple[str, int], ...]:
    of_run, run = ("", ()) if window.run is None else (_OF_RUN, (window.run,))
    rows = db.execute(
        f"SELECT reason, sum(n) FROM losses WHERE at >= ? AND at < ?{of_run} GROUP BY reason ORDER BY 2 DESC, 1",  # noqa: S608 (constants)
        (window.since, window.until, *run),
    )
    return tuple((reason, n) for reason, n in rows)
