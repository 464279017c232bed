"""Opening the database: for writing (made, upgraded, WAL), for reading (where nothing may be written too), aside."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from spanwatch.core.errors import StoreError
from spanwatch.store import files, locks
from spanwatch.store import home as places
from spanwatch.store.schema import VERSION, check_version, upgrade

BUSY_S = 10.0
CACHE_KIB = 16_384
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_log = logging.getLogger("spanwatch")
T = TypeVar("T")


@contextlib.contextmanager
def writing(home: Path) -> Iterator[sqlite3.Connection]:
    """The store, made or upgraded where needed; transactions are the caller's (`BEGIN IMMEDIATE`).

    Raises:
        StoreError: the directory cannot be written, or the store is of a newer version.
        sqlite3.Error: a full disk, a lock held for longer than BUSY_S, a damaged file.
    """
    places.prepare(home)
    db = _connect(f"{_address(home)}?mode=rw")
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        write_ahead(db, BUSY_S)
        db.execute("PRAGMA synchronous = NORMAL")
        upgrade(db)
        yield db
    finally:
        db.close()


def write_ahead(db: sqlite3.Connection, busy_s: float) -> None:
    """Write ahead; where another connection is changing to that at this moment, SQLite refuses without waiting.

    Raises:
        sqlite3.OperationalError: it was refused for `busy_s` seconds.
    """
    deadline = time.monotonic() + busy_s
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.005)
        else:
            return


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all of the block or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back by itself
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def give_back(db: sqlite3.Connection) -> bool:
    """Return free pages to the file system, and the log's bytes; False when a reader is in the way of that."""
    db.executescript("PRAGMA incremental_vacuum")  # the only call that steps through all of it: it has no columns
    return not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


@contextlib.contextmanager
def reading(home: Path) -> Iterator[sqlite3.Connection]:
    """The store as it is, one snapshot for the whole block; works where the directory is read-only.

    Raises:
        StoreError: there is no store, it is of a newer version, or it cannot be read.
    """
    if not places.database_path(home).exists():
        raise StoreError(nothing_in(home))
    try:
        places.check(home)
        db = _open_to_read(home, _refuse_other_versions)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the store in {home} cannot be read: {error}") from error
    try:
        db.execute("PRAGMA query_only = ON")
        db.execute("BEGIN")
        yield db
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            db.close()  # Windows moves no open file
            set_aside(home)
            raise StoreError(f"{places.database_path(home)} was damaged and is set aside; ask again") from error
        raise StoreError(f"the store in {home} cannot be read: {error}") from error
    finally:
        db.close()


def held(home: Path) -> sqlite3.Connection | None:
    """An idle connection, for whoever reads again and again: while it is open, closing others costs next to nothing.

    It holds no snapshot, so it is in nobody's way. Close it when done. None where it cannot be opened.
    """
    try:
        db = sqlite3.connect(f"{_address(home)}?mode=ro", uri=True, timeout=BUSY_S, check_same_thread=False)
    except sqlite3.Error:
        return None
    with contextlib.suppress(sqlite3.Error):
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return db


def copy(home: Path, target: Path) -> None:
    """A copy of the database in another directory, of whatever version it is.

    Raises:
        StoreError: something else lies in the database's place.
        OSError, sqlite3.Error: it cannot be read, or the copy not be written.
    """
    places.check(home)
    places.prepare(target)
    with (
        contextlib.closing(_open_to_read(home, _any_version)) as found,
        contextlib.closing(_connect(f"{_address(target)}?mode=rw")) as made,
    ):
        found.backup(made)


def nothing_in(home: Path) -> str:
    """What is said where no store is."""
    return (
        f"no store in {home}: trace a program first (spanwatch run -- python app.py), "
        "or name the directory with --home or SPANWATCH_HOME"
    )


def mended(home: Path, action: Callable[[], T]) -> T:
    """The action's result; when the database proves damaged, it is set aside and the action tried once more."""
    try:
        return action()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        set_aside(home)
        return action()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, as opposed to locked, full or unreadable."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _DAMAGED


def set_aside(home: Path) -> Path | None:
    """Move a damaged database to `store.db.corrupt-<n>`, once however many processes notice; said in the log.

    Returns None when another process has already put a sound one in its place.

    Raises:
        OSError: it cannot be moved.
    """
    with _alone(home):
        if _is_sound(home):
            return None
        number = next(n for n in range(1, 1_000_000) if not os.path.lexists(_aside(home, n)))
        for path in reversed(places.database_files(home)):
            with contextlib.suppress(FileNotFoundError):
                path.rename(f"{_aside(home, number)}{path.name.removeprefix(places.DATABASE)}")
    _log.warning(
        "spanwatch: %s was damaged: set aside as %s and built anew from what the journal still has",
        places.database_path(home),
        _aside(home, number).name,
    )
    return _aside(home, number)


def _aside(home: Path, number: int) -> Path:
    return home / f"{places.DATABASE}.corrupt-{number}"


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    descriptor = files.open_file(home / "store.lock", os.O_RDWR | os.O_CREAT)
    try:
        locks.acquire(descriptor)
        yield
    finally:
        os.close(descriptor)


def _is_sound(home: Path) -> bool:
    try:
        with contextlib.closing(_connect(f"{_address(home)}?mode=rw")) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.Error:
        return not places.database_path(home).exists()


def _any_version(db: sqlite3.Connection, _home: Path) -> None:
    db.execute("PRAGMA user_version").fetchone()


def _open_to_read(home: Path, accept: Callable[[sqlite3.Connection, Path], None]) -> sqlite3.Connection:
    """Read-only through the WAL; where its side files cannot be made, the file alone, as it is."""
    for options in ("mode=ro", "mode=ro&immutable=1"):
        try:
            return _opened(f"{_address(home)}?{options}", lambda db: accept(db, home))
        except sqlite3.OperationalError:
            if "immutable" in options:
                raise
    raise AssertionError


def _refuse_other_versions(db: sqlite3.Connection, home: Path) -> None:
    version = check_version(db)
    if version == 0:
        raise StoreError(nothing_in(home))
    if version < VERSION:
        raise StoreError(f"the store in {home} is of an older version; let a process that may write it read it once")


def _address(home: Path) -> str:
    return f"file:{quote(str(places.database_path(home)))}"


def _connect(uri: str) -> sqlite3.Connection:
    return _opened(uri, lambda _db: None)


def _opened(uri: str, accept: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """A connection that `accept` does not refuse by raising."""
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, cached_statements=256)
    try:
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        accept(db)
    except BaseException:
        db.close()
        raise
    return db
