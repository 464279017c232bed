"""Claims: of all processes that share a home, who saw a token or idempotency key first. Kept beside the store."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from pathlib import Path
from urllib.parse import quote

from spanwatch.store.home import make_file

DATABASE = "claims.db"
BUSY_S = 2.0
_EVERY = 1_000  # claims between two sweeps


class Claims:
    """One atomic step, `first`; thread-safe, and after a fork anew. Only digests are kept, no id of anything.

    A file of its own: a rating is not to wait for a projection that holds the store's lock.
    """

    def __init__(self, home: Path) -> None:
        self._home, self._lock = home, threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._pid, self._done = 0, 0

    def first(self, claim: str, now_s: float, until_s: float) -> bool:
        """Whether nobody has claimed it before; remembered until `until_s` (UNIX seconds).

        Raises:
            OSError, sqlite3.Error: the file cannot be made, or is locked for longer than BUSY_S.
        """
        with self._lock:
            db = self._opened()
            if self._done % _EVERY == 0:
                db.execute("DELETE FROM claims WHERE until < ?", (int(now_s),))
            self._done += 1
            return db.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (claim, int(until_s))).rowcount == 1

    def known(self, claim: str) -> bool:
        """Whether somebody has claimed it.

        Raises:
            OSError, sqlite3.Error: the file cannot be made, or is locked for longer than BUSY_S.
        """
        with self._lock:
            found = self._opened().execute("SELECT 1 FROM claims WHERE claim = ?", (claim,)).fetchone()
            return found is not None

    def close(self) -> None:
        """Give the file back; a later step opens it again."""
        with self._lock:
            db, self._db = self._db, None
            if db is not None:
                db.close()

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._pid == os.getpid():
            return self._db
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._home / DATABASE
        make_file(path)
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        db = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            with contextlib.suppress(sqlite3.OperationalError):  # a file system without shared memory
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS claims (claim TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID"
            )
        except BaseException:
            db.close()
            raise
        self._db, self._pid = db, os.getpid()
        return db
