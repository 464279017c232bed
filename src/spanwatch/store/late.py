"""Usage that came late: a second record of the same call, or the fetched response of a background one."""

from __future__ import annotations

import sqlite3

from spanwatch.store import rollups
from spanwatch.store.rows import CALL_COLUMNS, COST_COLUMNS, LATE_COLUMNS, Body, Row, late_values, storable

_AT = {name: CALL_COLUMNS.index(name) for name in ("call_id", "trace_id", "has_usage", LATE_COLUMNS[0])}
_FIRST, _BEHIND = _AT[LATE_COLUMNS[0]], _AT[LATE_COLUMNS[0]] + len(LATE_COLUMNS)
_NAMES = ", ".join(LATE_COLUMNS)
_MARKS = ", ".join("?" * len(LATE_COLUMNS))
_UPDATE = f"UPDATE calls SET has_usage = 1, {', '.join(f'{name} = ?' for name in LATE_COLUMNS)} WHERE id = ?"  # noqa: S608 (constants)
_KEPT_COST = (
    f"SELECT {', '.join(COST_COLUMNS)} FROM calls WHERE id = ? AND cost_source = 'user' AND nano_usd IS NOT NULL"  # noqa: S608 (constants)
)
_SETTLEMENT = (
    f"INSERT INTO settlements (response_id, at, done, {_NAMES}) VALUES (?, ?, 0, {_MARKS}) ON CONFLICT DO NOTHING"  # noqa: S608 (constants)
)
_DUE = (
    f"SELECT {', '.join(f's.{name}' for name in LATE_COLUMNS)}, min(c.id), s.response_id "  # noqa: S608 (constants)
    "FROM settlements s JOIN calls c ON c.response_id = s.response_id AND NOT c.has_usage AND c.counted "
    "AND c.response_id IS NOT NULL "
    "WHERE NOT s.done GROUP BY s.response_id"
)


def complete(db: sqlite3.Connection, rows: list[Row]) -> None:
    """Give stored calls without usage that of a later record of the same call."""
    for row in rows:
        if row[_AT["has_usage"]]:
            waiting = db.execute(
                "SELECT id FROM calls WHERE trace_id = ? AND call_id = ? AND NOT has_usage AND counted",
                storable((row[_AT["trace_id"]], row[_AT["call_id"]])),
            ).fetchone()
            if waiting:
                _fill(db, waiting[0], row[_FIRST:_BEHIND])


def settle(db: sqlite3.Connection, fetches: list[Body]) -> None:
    """Give background calls the usage that came with their fetched response, once, whichever was projected first."""
    for fetch in fetches:
        values = late_values(fetch["usage"], fetch.get("cost"))
        db.execute(_SETTLEMENT, storable((fetch["settles"], fetch["started_ns"], *values)))
    if db.execute("SELECT 1 FROM settlements WHERE NOT done LIMIT 1").fetchone() is None:
        return
    for *values, call, response_id in db.execute(_DUE).fetchall():
        _fill(db, call, tuple(values))
        db.execute("UPDATE settlements SET done = 1 WHERE response_id = ?", (response_id,))


def _fill(db: sqlite3.Connection, call: int, values: Row) -> None:
    kept = db.execute(_KEPT_COST, (call,)).fetchone()
    if kept is not None:  # the application has stated what it cost
        values = (*values[: -len(COST_COLUMNS)], *kept)
    rollups.add_one(db, call, -1)
    db.execute(_UPDATE, (*storable(values), call))
    rollups.add_one(db, call, 1)
