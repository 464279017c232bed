"""Small databases beside the store, each with a lock of its own: nobody waits there for a projection."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from spanwatch.store.home import make_file


def opened(path: Path | None, busy_s: float, tables: Iterable[str]) -> sqlite3.Connection:
    """A connection to a private file, made with its tables where there is none; None is one in memory.

    Raises:
        OSError: it cannot be made, or is a symbolic link.
        sqlite3.Error: it is damaged, or locked for longer than `busy_s`.
    """
    db = sqlite3.connect(_address(path), uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        with contextlib.suppress(sqlite3.OperationalError):  # a file system without shared memory
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        for table in tables:
            db.execute(table)
    except BaseException:
        db.close()
        raise
    return db


def _address(path: Path | None) -> str:
    if path is None:
        return "file::memory:"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_file(path)
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return f"file:{quote(str(path))}?mode=rw"
