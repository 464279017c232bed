"""Retention: what is older than an age goes, and of the rest the oldest until the store is small enough.

Ages count in whole UTC days, so that the daily sums stay exact; a store that is too large is cut finer.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spanwatch.store import database, rollups
from spanwatch.store import home as places
from spanwatch.store.schema import DAY_NS, HOUR_NS
from spanwatch.store.windows import FOREVER

_ROOM = 0.9  # a store that is too large is cut to this share of its limit, so that it is not cut at every turn
_TURNS = 40
_MANY_SOURCES = 1_000
_TABLES = ("calls", "spans", "logs", "feedback")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much is kept: whole days, and bytes of the database."""

    days: float = 30.0
    size: int = 1_073_741_824


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: rows by table, set-aside files, and the database's bytes before and after."""

    calls: int = 0
    spans: int = 0
    logs: int = 0
    feedback: int = 0
    set_aside: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


def prune(home: Path, limits: Limits, now_ns: int) -> Pruned:
    """Forget what the limits say. Roll-ups stay equal to the sums of the calls that are left. Idempotent.

    Project first: what the journal still holds is not looked at.

    Raises:
        StoreError: the directory cannot be written, or the store is of a newer version.
        OSError, sqlite3.Error: a lock held too long, a damaged file.
    """
    if not places.database_path(home).exists():
        return Pruned()
    oldest = max(now_ns - int(limits.days * DAY_NS), 0)
    aside = _remove_set_aside(home, oldest)
    with database.writing(home) as db:
        before, rows = used_bytes(db), _counts(db)
        for cut in _days(db, oldest // DAY_NS * DAY_NS):
            _cut(db, cut)
        _shrink(db, limits.size)
        if db.execute("SELECT count(*) FROM sources").fetchone()[0] > _MANY_SOURCES:
            _drop_sources(db)
        gone = {table: count - _counts(db)[table] for table, count in rows.items()}
        database.give_back(db)
        return Pruned(**gone, set_aside=aside, bytes_before=before, bytes_after=used_bytes(db))


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of the database's pages in use."""
    size, pages, free = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    return int(size * (pages - free))


def _counts(db: sqlite3.Connection) -> dict[str, int]:
    return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _TABLES}  # noqa: S608 (constants)


def _days(db: sqlite3.Connection, until: int) -> Iterator[int]:
    """The ends of the days that hold anything before `until`, one transaction's worth each."""
    while (first := _first(db)) is not None and first < until:
        yield min(until, (first // DAY_NS + 1) * DAY_NS)
    yield until


def _first(db: sqlite3.Connection) -> int | None:
    """When the oldest row of any kind began."""
    rows = (
        db.execute("SELECT min(started_ns) FROM calls").fetchone(),
        db.execute("SELECT ended_ns FROM spans ORDER BY id LIMIT 1").fetchone(),
        db.execute("SELECT min(at) FROM logs").fetchone(),
        db.execute("SELECT min(at) FROM feedback").fetchone(),
    )
    times = [row[0] for row in rows if row is not None and row[0] is not None]
    return min(times) if times else None


def _cut(db: sqlite3.Connection, cut: int) -> None:
    """Forget everything before a moment, in one transaction."""
    with database.transaction(db):
        db.execute("DELETE FROM calls WHERE started_ns < ?", (cut,))
        young = db.execute("SELECT id FROM spans WHERE ended_ns >= ? ORDER BY id LIMIT 1", (cut,)).fetchone()
        db.execute("DELETE FROM spans WHERE id < ? AND ended_ns < ?", (young[0] if young else FOREVER, cut))
        db.execute("DELETE FROM traces WHERE started_ns < ? AND ended_ns < ?", (cut, cut))
        for table in ("logs", "losses", "settlements", "stated_costs", "feedback", "interactions"):
            db.execute(f"DELETE FROM {table} WHERE at < ?", (cut,))  # noqa: S608 (constants)
        db.execute("DELETE FROM hours WHERE hour < ?", (cut // HOUR_NS,))
        db.execute("DELETE FROM user_days WHERE day < ?", (cut // DAY_NS,))
        if cut % DAY_NS:
            rollups.rebuild(db, {cut})


def _shrink(db: sqlite3.Connection, size: int) -> None:
    """Forget the oldest until the pages in use fit."""
    for _ in range(_TURNS):
        used = used_bytes(db)
        cut = None if used <= size else _cut_at(db, 1 - _ROOM * size / used)
        if cut is None:
            return
        _cut(db, cut)


def _cut_at(db: sqlite3.Connection, share: float) -> int | None:
    """The moment before which about this share of the rows lies, on the hour where that removes anything."""
    first = _first(db)
    if first is None:
        return None
    calls = db.execute("SELECT count(*) FROM calls").fetchone()[0]
    low, high = db.execute("SELECT min(id), max(id) FROM spans").fetchone()
    if calls and (low is None or calls >= high - low):
        question, at = "SELECT started_ns FROM calls ORDER BY started_ns LIMIT 1 OFFSET ?", int(share * (calls - 1))
    elif low is not None:
        question, at = "SELECT ended_ns FROM spans WHERE id >= ? ORDER BY id LIMIT 1", low + int(share * (high - low))
    else:
        question, at = (
            "SELECT at FROM logs ORDER BY at LIMIT 1 OFFSET (SELECT count(*) * ? / 100 FROM logs)",
            int(share * 99),
        )
    cut = int(db.execute(question, (at,)).fetchone()[0]) + 1
    on_the_hour = cut // HOUR_NS * HOUR_NS
    return on_the_hour if on_the_hour > first else max(cut, first + 1)


def _drop_sources(db: sqlite3.Connection) -> None:
    """Forget writers of whom nothing is left."""
    left = " UNION ".join(f"SELECT source FROM {table}" for table in (*_TABLES, "segments", "losses"))  # noqa: S608 (constants)
    with database.transaction(db):
        db.execute(f"DELETE FROM sources WHERE id NOT IN ({left})")  # noqa: S608 (constants)


def _remove_set_aside(home: Path, oldest_ns: int) -> int:
    removed = 0
    for path in places.set_aside_files(home):
        with contextlib.suppress(FileNotFoundError):
            if path.lstat().st_mtime_ns < oldest_ns:
                path.unlink()
                removed += 1
    return removed
