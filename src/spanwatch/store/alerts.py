"""What is known of alerts, beside the store: their states, who was told what, silences, and which process evaluates.

A file of its own: an alert is not to wait for a projection that holds the store's lock. Without a home it is in memory.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spanwatch.core.rules.alert import Alert, from_json, to_json
from spanwatch.core.rules.silences import Silence, conditions_from, conditions_text
from spanwatch.core.rules.telling import Told, told_from
from spanwatch.store import beside

DATABASE = "alerts.db"
BUSY_S = 2.0
HISTORY = 10_000  # entries that are kept
MOST_HAPPENED = 10_000  # of what other processes saw happen and nobody has taken yet

_TABLES = """
CREATE TABLE IF NOT EXISTS leader (one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL,
  until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (rule TEXT NOT NULL, fingerprint TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (rule, fingerprint)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS happened (id INTEGER PRIMARY KEY, rule TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS told (receiver TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (receiver, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS silences (id TEXT PRIMARY KEY, conditions TEXT NOT NULL, since INTEGER NOT NULL,
  until INTEGER NOT NULL, who TEXT NOT NULL, comment TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS troubles (rule TEXT PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history: an alert that began to fire, or ended."""

    at_ns: int
    alert: Alert


class AlertBook:
    """Thread-safe, and after a fork anew. Every method may raise sqlite3.Error or OSError.

    Args:
        home: The store's directory, or None to keep all of it in memory.
        busy_s: How long a lock of another process is waited for.
    """

    def __init__(self, home: Path | None, *, busy_s: float = BUSY_S) -> None:
        self._home, self._busy_s, self._lock = home, busy_s, threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._pid = 0

    def lead(self, holder: str, now_ns: int, until_ns: int) -> bool:
        """Whether this process evaluates until then: it did already, or nobody else does, or their time is over."""
        with self._writing() as db:
            found = db.execute("SELECT holder, until FROM leader").fetchone()
            if found is not None and found[0] != holder and now_ns < found[1] <= until_ns + (until_ns - now_ns):
                return False
            db.execute("INSERT OR REPLACE INTO leader VALUES (1, ?, ?)", (holder, until_ns))
            return True

    def resign(self, holder: str) -> None:
        """Let another process take over at once."""
        with self._writing() as db:
            db.execute("DELETE FROM leader WHERE holder = ?", (holder,))

    def alerts(self) -> dict[str, list[Alert]]:
        """All alerts by rule, those included that are over since a short while."""
        found: dict[str, list[Alert]] = {}
        with self._reading() as db:
            rows = db.execute("SELECT rule, body FROM alerts").fetchall()
        for rule, body in rows:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # of a later version: it is evaluated anew
                found.setdefault(rule, []).append(from_json(body))
        return found

    def save(self, rule: str, alerts: Iterable[Alert], changed: Sequence[Alert], now_ns: int) -> None:
        """Replace the alerts of a rule, and enter what changed into the history."""
        with self._writing() as db:
            db.execute("DELETE FROM alerts WHERE rule = ?", (rule,))
            db.executemany(
                "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?)",
                [(rule, each.fingerprint, to_json(each)) for each in alerts],
            )
            if changed:
                db.executemany("INSERT INTO history (at, body) VALUES (?, ?)", [(now_ns, to_json(e)) for e in changed])
                db.execute("DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?", (HISTORY,))

    def keep_only(self, rules: Iterable[str]) -> None:
        """Forget alerts and troubles of rules that are no more."""
        with self._writing() as db:
            known = {rule for (rule,) in db.execute("SELECT rule FROM alerts UNION SELECT rule FROM troubles")}
            for rule in known - set(rules):
                db.execute("DELETE FROM alerts WHERE rule = ?", (rule,))
                db.execute("DELETE FROM troubles WHERE rule = ?", (rule,))

    def history(self, since_ns: int = 0, limit: int = 100) -> list[Change]:
        """What began to fire and what ended, latest first."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT at, body FROM history WHERE at >= ? ORDER BY id DESC LIMIT ?", (since_ns, limit)
            ).fetchall()
        return [Change(at, alert) for at, alert in _read(rows)]

    def forget(self, concerned: Callable[[Alert], bool]) -> int:
        """Remove such entries from the history, their bytes too; how many there were. What still stands is kept.

        Raises:
            sqlite3.OperationalError: a reader keeps old pages alive.
        """
        with self._lock:
            db = self._opened()
            db.execute("PRAGMA secure_delete = ON")
            with self._writing():
                rows = db.execute("SELECT id, body FROM history").fetchall()
                doomed = [(number,) for number, alert in _read(rows) if concerned(alert)]
                db.executemany("DELETE FROM history WHERE id = ?", doomed)
            if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise sqlite3.OperationalError("a reader keeps old pages of the alerts' history alive")
        return len(doomed)

    def happen(self, rule: str, body: str) -> bool:
        """Hand in what happened once, for the process that evaluates; False where too much waits already."""
        with self._writing() as db:
            if db.execute("SELECT count(*) FROM happened").fetchone()[0] >= MOST_HAPPENED:
                return False
            db.execute("INSERT INTO happened (rule, body) VALUES (?, ?)", (rule, body))
            return True

    def happenings(self) -> list[tuple[int, str, str]]:
        """What was handed in: number, rule, body; it stays until it is `done`."""
        with self._reading() as db:
            return list(db.execute("SELECT id, rule, body FROM happened ORDER BY id"))

    def done(self, number: int) -> None:
        """What was handed in up to this number is in the alerts now."""
        with self._writing() as db:
            db.execute("DELETE FROM happened WHERE id <= ?", (number,))

    def told(self, receiver: str) -> dict[str, Told]:
        """What a receiver was told, by group."""
        with self._reading() as db:
            rows = db.execute("SELECT key, body FROM told WHERE receiver = ?", (receiver,)).fetchall()
        return {key: told_from(body) for key, body in rows}

    def tell(self, receiver: str, told: Iterable[tuple[str, Told]]) -> None:
        """These groups arrived at a receiver."""
        with self._writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)",
                [(receiver, key, each.at_ns, each.as_json()) for key, each in told],
            )
            oldest = "SELECT at FROM told ORDER BY at DESC LIMIT 1 OFFSET ?"
            db.execute(f"DELETE FROM told WHERE at < ({oldest})", (HISTORY,))  # noqa: S608 (a constant)

    def silence(self, silence: Silence) -> None:
        """Put a silence into force, or replace the one of its id."""
        row = (silence.id, conditions_text(silence.conditions), silence.since_ns, silence.until_ns)
        with self._writing() as db:
            db.execute("DELETE FROM silences WHERE until < ?", (silence.since_ns - 86_400 * 10**9,))
            db.execute("INSERT OR REPLACE INTO silences VALUES (?, ?, ?, ?, ?, ?)", (*row, silence.by, silence.comment))

    def unsilence(self, silence_id: str) -> bool:
        """End a silence; False where there is none."""
        with self._writing() as db:
            return db.execute("DELETE FROM silences WHERE id = ?", (silence_id,)).rowcount == 1

    def silences(self, now_ns: int) -> list[Silence]:
        """Those that are not over."""
        with self._reading() as db:
            rows = db.execute("SELECT * FROM silences WHERE until > ? ORDER BY until", (now_ns,)).fetchall()
        return [Silence(key, conditions_from(text), *rest) for key, text, *rest in rows]

    def trouble(self, rule: str, at_ns: int, text: str | None) -> None:
        """Say why a rule cannot be evaluated, or with None that it can."""
        with self._writing() as db:
            if text is None:
                db.execute("DELETE FROM troubles WHERE rule = ?", (rule,))
            else:
                db.execute("INSERT OR REPLACE INTO troubles VALUES (?, ?, ?)", (rule, at_ns, text[:1_000]))

    def troubles(self) -> dict[str, str]:
        """Rules that cannot be evaluated, and why."""
        with self._reading() as db:
            return dict(db.execute("SELECT rule, text FROM troubles ORDER BY rule"))

    def close(self) -> None:
        """Give the file back; a later step opens it again."""
        with self._lock:
            db, self._db = self._db, None
            if db is not None and self._pid == os.getpid():
                db.close()

    def after_fork(self) -> None:
        """In a forked child: another connection, and in memory another book."""
        self._lock, self._db = threading.RLock(), None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._opened()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._opened()
            if db.in_transaction:  # a step within another
                yield db
                return
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Several steps as one transaction."""
        with self._writing():
            yield

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._pid == os.getpid():
            return self._db
        path = None if self._home is None else self._home / DATABASE
        self._db, self._pid = beside.opened(path, self._busy_s, _TABLES.split(";\n")), os.getpid()
        return self._db


def _read(rows: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Alert]]:
    """Alerts by number, but for those that a later version wrote."""
    for number, body in rows:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            yield number, from_json(body)


def is_kept(home: Path) -> bool:
    """Whether anything is known of alerts here."""
    return (home / DATABASE).exists()
