"""The latest traces, one line each."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from spanwatch.store import database
from spanwatch.store.rollups import SUMS
from spanwatch.store.summary import Sums
from spanwatch.store.windows import between

_ROOT = (
    "SELECT p.name, p.failed, s.service FROM spans p LEFT JOIN sources s ON s.id = p.source "
    "WHERE trace_id = ? ORDER BY parent_id IS NOT NULL, started_ns, p.id LIMIT 1"
)
_SUMS = f"SELECT {SUMS} FROM measured WHERE id IN (SELECT id FROM calls WHERE trace_id = ?)"  # noqa: S608 (constants)
_FIRST_CALL = (
    "SELECT operation || coalesce(' ' || coalesce(request_model, response_model), ''), s.service FROM calls c "
    "LEFT JOIN sources s ON s.id = c.source WHERE trace_id = ? ORDER BY started_ns LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One trace. `sampled` is false when no span of it is kept, only its calls; its name is then its first call's."""

    trace_id: str
    name: str | None
    service: str | None
    started_ns: int
    ended_ns: int
    failed: bool
    sampled: bool
    spans: int
    sums: Sums


def traces(home: Path, *, since_ns: int | None = None, until_ns: int | None = None, limit: int = 20) -> list[TraceLine]:
    """The newest `limit` traces that began in [`since_ns`, `until_ns`), the newest first.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    window = between(since_ns, until_ns)
    with database.reading(home) as db:
        found = db.execute(
            "SELECT trace_id, started_ns, ended_ns FROM traces WHERE started_ns >= ? AND started_ns < ? "
            "ORDER BY started_ns DESC, trace_id LIMIT ?",
            (*window, limit),
        ).fetchall()
        return [line_of(db, *row) for row in found]


def line_of(db: sqlite3.Connection, trace_id: str, started_ns: int, ended_ns: int) -> TraceLine:
    """One trace of an open store as a line."""
    root = db.execute(_ROOT, (trace_id,)).fetchone()
    spans = db.execute("SELECT count(*) FROM spans WHERE trace_id = ?", (trace_id,)).fetchone()[0]
    sums = db.execute(_SUMS, (trace_id,)).fetchone()
    name, failed, service = root or (None, False, None)
    if root is None:
        name, service = db.execute(_FIRST_CALL, (trace_id,)).fetchone() or (None, None)
    return TraceLine(trace_id, name, service, started_ns, ended_ns, bool(failed), bool(spans), spans, Sums.of(sums))
