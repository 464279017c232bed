"""Opening `budgets.db`: private (0600), never through a symbolic link, made or upgraded where needed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from spanwatch.core.errors import LedgerUnavailable
from spanwatch.store.database import write_ahead
from spanwatch.store.home import make_file
from spanwatch.store.ledger.statements import SCHEMA

VERSION = 1


def opened(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection that waits `busy_s` for others; transactions are the caller's.

    Raises:
        LedgerUnavailable: the file is of a newer version.
        OSError: it cannot be made, or something else lies in its place.
        sqlite3.Error: it is damaged, or locked for too long.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_file(path)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(f"{path} is not a regular file")
    uri = f"file:{quote(str(path))}?mode=rw"
    db = sqlite3.connect(uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        write_ahead(db, busy_s)
        db.execute("PRAGMA synchronous = NORMAL")
        _upgrade(db, path)
    except BaseException:
        db.close()
        raise
    return db


def identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path now, or None."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        return found.st_dev, found.st_ino
    return None


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    if _version(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    version = _version(db)
    if version == 0:
        for statement in SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")
    if version > VERSION:
        raise LedgerUnavailable(f"{path} is of a newer version ({version}); this release reads version {VERSION}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def is_busy(error: Exception) -> bool:
    """Whether others had the file locked, as opposed to a file that cannot be used."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def cause(path: Path, busy_s: float, error: Exception) -> str:
    """What is said of an error."""
    if is_busy(error):
        return f"{path} was locked by other processes for {busy_s:g} s; try again"
    return f"{path} cannot be used ({error}); make it writable, or move it away to start a new one"
