"""Samples of metrics, shared by all processes of one home: each writes its own, whoever asks reads the others' too."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from spanwatch.core.budgets.scopes import concerns
from spanwatch.core.names import BUDGET_SCOPE, USER_ID
from spanwatch.core.points import Identity, Kind, Labels
from spanwatch.core.series import COARSE_NS, FINE_FOR_NS, KEEP_NS, Sample, Series
from spanwatch.store import database
from spanwatch.store.home import database_path

MAX_SAMPLES = 250_000  # of all processes together, about 64 MB
_RECENT_NS = 2 * FINE_FOR_NS

News = Sequence[tuple[Identity, Sequence[Sample]]]


def write(home: Path, instance: str, resource: Labels, news: News, seen_ns: int) -> None:
    """Store what one process collected up to `seen_ns`; `resource` are the labels that name it.

    Raises:
        StoreError: the directory cannot be written, or the store is of a newer version.
        sqlite3.Error: a full disk, or a lock held for too long. The next call does not make up for it.
    """
    database.mended(home, lambda: _write(home, instance, resource, news, seen_ns))


def read(home: Path, name: str | None, since_ns: int, until_ns: int, *, without: str | None = None) -> list[Series]:
    """The series of one instrument, or of all, with what stood at `since_ns` and came until `until_ns`.

    Processes not heard of since then are left out, and so is the one called `without`. Nothing where no store is.

    Raises:
        StoreError: the store is of another version, or cannot be read.
    """
    if not database_path(home).exists():
        return []
    with database.reading(home) as db:
        found = _found(db, name, since_ns, without)
        return [
            Series(_identity(body), _samples(db, series, since_ns, until_ns), seen_ns, _labels(json.loads(resource)))
            for series, body, resource, seen_ns in found
        ]


def instruments(home: Path) -> set[str]:
    """The names of all instruments that samples are of.

    Raises:
        StoreError: the store is of another version, or cannot be read.
    """
    if not database_path(home).exists():
        return set()
    with database.reading(home) as db:
        return {name for (name,) in db.execute("SELECT DISTINCT name FROM series")}


def processes(home: Path, since_ns: int) -> list[Labels]:
    """The labels that name each process that was heard of since then, by when it came.

    Raises:
        StoreError: the store is of another version, or cannot be read.
    """
    if not database_path(home).exists():
        return []
    with database.reading(home) as db:
        found = db.execute("SELECT resource FROM meters WHERE seen > ? ORDER BY id", (since_ns,)).fetchall()
    return [_labels(json.loads(resource)) for (resource,) in found]


def drop_of(db: sqlite3.Connection, user: str) -> None:
    """Drop the series of an open store that a user's id is a label of, or is in the scope of a budget's account."""
    named = "SELECT id, body FROM series WHERE instr(body, ?) OR instr(body, ?)"
    for series, body in db.execute(named, (f'"{USER_ID}"', f'"{BUDGET_SCOPE}"')).fetchall():
        if concerns(user, _identity(body).labels):
            db.execute("DELETE FROM samples WHERE series = ?", (series,))
            db.execute("DELETE FROM series WHERE id = ?", (series,))


def tidy(home: Path, now_ns: int, *, whole: bool = False, max_samples: int = MAX_SAMPLES) -> None:
    """Thin samples of more than an hour ago, and drop those of more than 3 days ago and those above the limit.

    `whole` thins the whole past instead of the last hours of it.

    Raises:
        StoreError, sqlite3.Error: as `write`.
    """
    until = (now_ns - FINE_FOR_NS) // COARSE_NS * COARSE_NS
    values = {
        "since": 0 if whole else until - _RECENT_NS,
        "until": until,
        "slot": COARSE_NS,
        "gone": now_ns - KEEP_NS,
        "most": max_samples,
    }
    with database.writing(home) as db, database.transaction(db):
        for statement in _TIDY:
            db.execute(statement, values)


_TIDY = (
    """DELETE FROM samples WHERE at >= :since AND at < :until AND NOT anchor AND EXISTS (
         SELECT 1 FROM samples AS later WHERE later.series = samples.series AND later.at > samples.at
         AND later.at < (samples.at / :slot + 1) * :slot)""",
    """DELETE FROM samples WHERE at < :gone AND EXISTS (
         SELECT 1 FROM samples AS later WHERE later.series = samples.series AND later.at > samples.at
         AND later.at <= :gone)""",
    "DELETE FROM samples WHERE at <= (SELECT at FROM samples ORDER BY at DESC LIMIT 1 OFFSET :most)",
    """DELETE FROM samples WHERE series IN (
         SELECT series.id FROM series JOIN meters ON meters.id = series.meter WHERE meters.seen < :gone)""",
    "DELETE FROM series WHERE meter IN (SELECT id FROM meters WHERE seen < :gone)",
    "DELETE FROM meters WHERE seen < :gone",
)


def _write(home: Path, instance: str, resource: Labels, news: News, seen_ns: int) -> None:
    with database.writing(home) as db, database.transaction(db):
        db.execute(
            "INSERT INTO meters (instance, resource, seen) VALUES (?, ?, ?) "
            "ON CONFLICT (instance) DO UPDATE SET seen = max(seen, excluded.seen)",
            (instance, json.dumps(resource), seen_ns),
        )
        meter: int = db.execute("SELECT id FROM meters WHERE instance = ?", (instance,)).fetchone()[0]
        for identity, samples in news:
            series = _series(db, meter, identity)
            db.executemany(
                "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)",
                [(series, each.at_ns, each.anchor, each.packed) for each in samples],
            )


def _series(db: sqlite3.Connection, meter: int, identity: Identity) -> int:
    body = json.dumps([identity.kind, identity.unit, identity.scope, identity.labels, identity.bounds, identity.name])
    found = db.execute("SELECT id FROM series WHERE meter = ? AND body = ?", (meter, body)).fetchone()
    if found is None:
        statement = "INSERT INTO series (meter, name, body) VALUES (?, ?, ?) RETURNING id"
        found = db.execute(statement, (meter, identity.name, body)).fetchone()
    return int(found[0])


def _found(
    db: sqlite3.Connection, name: str | None, since_ns: int, without: str | None
) -> list[tuple[int, str, str, int]]:
    return db.execute(
        "SELECT series.id, body, resource, seen FROM series JOIN meters ON meters.id = series.meter "
        "WHERE (:name IS NULL OR name = :name) AND seen > :since AND instance IS NOT :without ORDER BY series.id",
        {"name": name, "since": since_ns, "without": without},
    ).fetchall()


def _samples(db: sqlite3.Connection, series: int, since_ns: int, until_ns: int) -> tuple[Sample, ...]:
    rows = db.execute(
        "SELECT at, packed, anchor FROM samples WHERE series = :series AND at <= :until AND at >= coalesce("
        "(SELECT max(at) FROM samples WHERE series = :series AND at <= :since AND packed IS NOT NULL), 0) ORDER BY at",
        {"series": series, "since": since_ns, "until": until_ns},
    )
    return tuple(Sample(at, packed, bool(anchor)) for at, packed, anchor in rows)


def _identity(body: str) -> Identity:
    kind, unit, scope, labels, bounds, name = json.loads(body)
    return Identity(name, cast("Kind", kind), unit, scope, _labels(labels), tuple(bounds))


def _labels(pairs: Sequence[Sequence[str]]) -> Labels:
    return tuple((str(key), str(text)) for key, text in pairs)
