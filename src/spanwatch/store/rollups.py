"""Exact sums per hour and per user and day, kept in step with the calls inside the same transaction."""

from __future__ import annotations

import sqlite3

from spanwatch.store.schema import DAY_NS, HOUR_NS, MEASURES

HOURS, HOURS_KEY = "hours", ("hour", "run", "model", "agent", "reason")
USER_DAYS, USER_DAYS_KEY = "user_days", ("day", "user")
_NAMES = tuple(name for name, _ in MEASURES)

SUMS = ", ".join(f"sum({name})" for name in _NAMES)
_SIGNED = ", ".join(f":sign * sum({name})" for name in _NAMES)
_MERGED = ", ".join(f"{name} = coalesce({name} + excluded.{name}, {name}, excluded.{name})" for name in _NAMES)


def _adding(table: str, key: tuple[str, ...], where: str) -> str:
    keys = ", ".join(key)
    return (
        f"INSERT INTO {table} SELECT {keys}, {_SIGNED} FROM measured WHERE {where} GROUP BY {keys} "  # noqa: S608 (constants)
        f"ON CONFLICT ({keys}) DO UPDATE SET {_MERGED}"
    )


_TABLES = ((HOURS, HOURS_KEY), (USER_DAYS, USER_DAYS_KEY))
_ADD_NEW = [_adding(table, key, "id > :id") for table, key in _TABLES]
_ADD_ONE = [_adding(table, key, "id = :id") for table, key in _TABLES]
_REBUILD = [
    (
        f"DELETE FROM {table} WHERE {key[0]} = :slot",  # noqa: S608 (constants)
        _adding(table, key, "started_ns >= :since AND started_ns < :until"),
        slot_ns,
    )
    for (table, key), slot_ns in zip(_TABLES, (HOUR_NS, DAY_NS), strict=True)
]


def add_after(db: sqlite3.Connection, last_id: int) -> None:
    """Add every call with an id above `last_id`."""
    for statement in _ADD_NEW:
        db.execute(statement, {"id": last_id, "sign": 1})


def add_one(db: sqlite3.Connection, call: int, sign: int) -> None:
    """Add one call (`sign` 1), or take it out (`sign` -1) before it changes."""
    for statement in _ADD_ONE:
        db.execute(statement, {"id": call, "sign": sign})


def rebuild(db: sqlite3.Connection, times_ns: set[int]) -> None:
    """Compute anew every slot that holds one of these moments, from the calls that are there now."""
    for delete, add, slot_ns in _REBUILD:
        for slot in sorted({time // slot_ns for time in times_ns}):
            db.execute(delete, {"slot": slot})
            db.execute(add, {"since": slot * slot_ns, "until": (slot + 1) * slot_ns, "sign": 1})
