"""Projection: the store catches up with the journal. Whoever reads first does it; several processes may at once.

How far a segment is read is stored in the transaction that stores its records, so that a crash between any two steps
costs nothing and repeats nothing. Ids make replays harmless.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from dataclasses import dataclass, replace
from pathlib import Path

from spanwatch.core.errors import StoreError
from spanwatch.store import database, files, segments
from spanwatch.store.batch import Batch
from spanwatch.store.home import exists, journal_path
from spanwatch.store.owed import is_owed
from spanwatch.store.segments import Segment

BATCH_BYTES = 2 * 1024 * 1024
ABOUT_TO_BEGIN_S = 60.0  # a writer is quicker from its segment's making to the first byte


@dataclass(frozen=True, slots=True)
class Projected:
    """What one catching-up did: records stored, lines found damaged, segments removed."""

    records: int = 0
    damaged: int = 0
    removed: int = 0

    def __add__(self, other: Projected) -> Projected:
        return Projected(self.records + other.records, self.damaged + other.damaged, self.removed + other.removed)


def project(home: Path, *, batch_bytes: int = BATCH_BYTES) -> Projected:
    """Read every segment of the journal to its last whole line, and remove those that are finished.

    A damaged database is set aside and built anew from what the journal still has. Nothing is made where nothing is.

    Raises:
        StoreError: the directory cannot be written, or the store is of a newer version.
        OSError, sqlite3.Error: a full disk, a lock held too long. Nothing is lost: the next call goes on from there.
    """
    if not exists(home):
        return Projected()
    return database.mended(home, lambda: _project(home, batch_bytes))


def _project(home: Path, batch_bytes: int) -> Projected:
    found = segments.segments(home)
    if not found and _is_idle(home):
        return Projected()
    done = Projected()
    with database.writing(home) as db:
        known = _ends(db)
        for segment in found:
            read = known.get((segment.instance, segment.number), 0)
            with contextlib.suppress(FileNotFoundError):  # another process was quicker and removed it
                done += _catch_up(db, segment, read, batch_bytes)
        _forget_removed(db, home)
    return done


def _is_idle(home: Path) -> bool:
    """Whether the database is there and nothing waits: then it need not be opened for writing."""
    try:
        with database.reading(home) as db:
            return db.execute("SELECT 1 FROM segments").fetchone() is None
    except StoreError:
        return False


def _ends(db: sqlite3.Connection) -> dict[tuple[str, int], int]:
    rows = db.execute("SELECT instance, number, end FROM segments JOIN sources ON sources.id = segments.source")
    return {(instance, number): end for instance, number, end in rows}


def _catch_up(db: sqlite3.Connection, segment: Segment, read: int, batch_bytes: int) -> Projected:
    if not segment.size:
        return Projected(removed=int(_abandoned(segment)))
    with contextlib.ExitStack() as held:
        descriptor = held.enter_context(segments.opened(segment))
        done = Projected() if read == segment.size else _read(db, segment, descriptor, batch_bytes)
        done += _finish(db, segment, descriptor)
        if done.removed and not files.remove(segment.path, held.close):
            return replace(done, removed=0)
        return done


def _abandoned(segment: Segment) -> bool:
    """Remove a segment without a byte whose writer, who was about to begin, was killed; whether it is one."""
    if time.time() - segment.changed_ns / 1e9 < ABOUT_TO_BEGIN_S:
        return False
    with contextlib.ExitStack() as held:
        descriptor = held.enter_context(segments.opened(segment))
        gone = segments.is_finished(descriptor, segment) and not os.fstat(descriptor).st_size
        return gone and files.remove(segment.path, held.close)


def catch_up(db: sqlite3.Connection, segment: Segment) -> Projected:
    """Read one segment to its last whole line and leave it where it is.

    Raises:
        OSError, sqlite3.Error: it is gone or cannot be read, or the store cannot be written.
    """
    with segments.opened(segment) as descriptor:
        return _read(db, segment, descriptor, BATCH_BYTES)


def waiting(home: Path) -> bool:
    """Whether the journal holds anything that is not stored yet.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        known = _ends(db)
    return any(segment.size > known.get((segment.instance, segment.number), 0) for segment in segments.segments(home))


def _read(db: sqlite3.Connection, segment: Segment, descriptor: int, batch_bytes: int) -> Projected:
    """To the size that was listed: what a busy writer appends meanwhile is for the next time."""
    done, end = Projected(), 0
    while end < segment.size and (step := _step(db, segment, descriptor, batch_bytes)) is not None:
        stored, end = step
        done += stored
    return done


def _step(db: sqlite3.Connection, segment: Segment, descriptor: int, batch_bytes: int) -> tuple[Projected, int] | None:
    """Store the next piece of a segment, and how far that goes; None when there is none."""
    with database.transaction(db):
        if segments.is_removed(descriptor):  # how far it was read may be forgotten already: never read it anew
            return None
        batch = Batch(db, segment, descriptor)
        piece = segments.read(descriptor, batch.end, batch_bytes)
        if not piece.data:
            return None
        batch.store(piece)
    return Projected(batch.records, batch.damaged), batch.end


def _finish(db: sqlite3.Connection, segment: Segment, descriptor: int) -> Projected:
    """Be done with a segment, to be removed, that nobody appends to any more and no collector waits for.

    What was torn off its end counts as damaged.
    """
    if is_owed(segment) or not segments.is_finished(descriptor, segment) or is_owed(segment):
        return Projected()
    with database.transaction(db):
        if segments.is_removed(descriptor):
            return Projected()
        batch = Batch(db, segment, descriptor)
        tail = segments.read(descriptor, batch.end, BATCH_BYTES)
        if tail.data:  # written since we looked
            return Projected()
        if tail.torn:
            batch.give_up(tail.torn)
    return Projected(damaged=batch.damaged, removed=1)


def _forget_removed(db: sqlite3.Connection, home: Path) -> None:
    """Drop what we remember of segments that are gone."""
    gone = [key for key in _ends(db) if not os.path.lexists(journal_path(home) / segments.file_name(*key))]
    if gone:
        with database.transaction(db):
            db.executemany(
                "DELETE FROM segments WHERE source = (SELECT id FROM sources WHERE instance = ?) AND number = ?", gone
            )
