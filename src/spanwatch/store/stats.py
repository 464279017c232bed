"""How much is kept, since when, and what waits in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spanwatch.store import database, segments
from spanwatch.store import home as places
from spanwatch.store.schema import check_version

_TABLES = ("calls", "spans", "traces", "logs", "feedback")
_ENDS = (
    "SELECT min(first), max(last) FROM (SELECT min(started_ns) AS first, max(started_ns) AS last FROM calls "
    "UNION ALL SELECT min(started_ns), max(started_ns) FROM traces)"
)


@dataclass(frozen=True, slots=True)
class StoreStats:
    """The store at a glance. Sizes are bytes, times UNIX nanoseconds, None where there is nothing."""

    version: int
    database_bytes: int
    journal_bytes: int
    segments: int  # files of the journal, of running processes or not stored yet
    set_aside: int
    rows: tuple[tuple[str, int], ...]
    oldest_ns: int | None
    newest_ns: int | None
    losses: tuple[tuple[str, int], ...]


def stats(home: Path, journal: Path | None = None) -> StoreStats:
    """What the store in `home` holds; files are looked for in `journal` when `home` is a copy of it.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    place = journal or home
    found = segments.segments(place)
    with database.reading(home) as db:
        rows = tuple((name, db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in _TABLES)  # noqa: S608 (constants)
        oldest, newest = db.execute(_ENDS).fetchone()
        losses = db.execute("SELECT reason, sum(n) FROM losses GROUP BY reason ORDER BY 2 DESC, 1").fetchall()
        version = check_version(db)
    return StoreStats(
        version=version,
        database_bytes=sum(_size(path) for path in places.database_files(place)),
        journal_bytes=sum(segment.size for segment in found),
        segments=len(found),
        set_aside=len(places.set_aside_files(place)),
        rows=rows,
        oldest_ns=oldest,
        newest_ns=newest,
        losses=tuple((reason, n) for reason, n in losses),
    )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0
