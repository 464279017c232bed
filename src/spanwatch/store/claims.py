"""Claims: of all processes that share a home, who saw a token or idempotency key first. Kept beside the store."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

from spanwatch.store import beside

DATABASE = "claims.db"
BUSY_S = 2.0
_TABLE = "CREATE TABLE IF NOT EXISTS claims (claim TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID"
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
        self._db, self._pid = beside.opened(self._home / DATABASE, BUSY_S, (_TABLE,)), os.getpid()
        return self._db
