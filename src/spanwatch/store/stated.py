"""Costs that the application states for calls of its own: they replace what was computed, once, and add nothing."""

from __future__ import annotations

import sqlite3

from spanwatch.store import rollups
from spanwatch.store.rows import Body, storable

_KEEP = "INSERT INTO stated_costs (id, at, call, nano_usd, done) VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING"
_BY = (
    "SELECT id FROM calls WHERE span_id = ? AND counted ORDER BY started_ns LIMIT 1",
    "SELECT id FROM calls WHERE response_id = ? AND counted ORDER BY started_ns LIMIT 1",
)
_REPLACE = (
    "UPDATE calls SET nano_usd = ?, cost_status = 'priced', cost_reason = NULL, cost_source = 'user', "
    "price_version = NULL WHERE id = ?"
)
_LATER = "SELECT 1 FROM stated_costs WHERE call = ? AND done AND at > ?"


def state(db: sqlite3.Connection, stated: list[Body]) -> None:
    """Keep what was stated, and give it to the calls that are there; the others wait for theirs."""
    db.executemany(_KEEP, [storable((each["id"], each["at"], each["call"], each["nano_usd"])) for each in stated])
    waiting = "SELECT id, at, call, nano_usd FROM stated_costs WHERE NOT done ORDER BY at, id"
    for key, at, call, nano in db.execute(waiting).fetchall():
        found = next((row for question in _BY if (row := db.execute(question, (call,)).fetchone())), None)
        if found is None:
            continue
        if db.execute(_LATER, (call, at)).fetchone() is None:
            rollups.add_one(db, found[0], -1)
            db.execute(_REPLACE, (nano, found[0]))
            rollups.add_one(db, found[0], 1)
        db.execute("UPDATE stated_costs SET done = 1 WHERE id = ?", (key,))
