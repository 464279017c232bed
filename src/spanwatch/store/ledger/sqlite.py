"""A ledger in `budgets.db`: exact across the processes of one host, and across the sudden death of any of them.

One step is one transaction. With WAL and synchronous=NORMAL a killed process loses nothing that was settled; a power
cut may lose the last moments, never the file.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from spanwatch.core.budgets.claims import (
    NOTHING,
    Action,
    Amount,
    Claim,
    Counter,
    Crossing,
    Refusal,
    Reserved,
    Settled,
    Standing,
    Tally,
    admit,
    crossings,
)
from spanwatch.core.errors import LedgerUnavailable
from spanwatch.store import forks
from spanwatch.store.ledger import statements
from spanwatch.store.ledger.budget_file import cause, identity, is_busy, opened
from spanwatch.store.ledger.protocol import LEASE_S, SECOND, fresh, marked, merged, standing_of

DATABASE = "budgets.db"
BUSY_S = 2.0
SWEEP_EVERY = 256  # steps
T = TypeVar("T")


class SQLiteLedger:
    """The Ledger of one host. Safe for threads and forks; another process may use the same file at the same time.

    Raises:
        LedgerUnavailable: by every method: the file cannot be opened, is damaged, or locked for longer than `busy_s`.
    """

    def __init__(self, home: Path, *, busy_s: float = BUSY_S) -> None:
        self._path = home / DATABASE
        self._busy_s = busy_s
        self._lock = threading.Lock()  # over the connection
        self._reading = threading.Lock()  # over connections of readers who may take long
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._steps = 0
        self._taken: dict[int, list[threading.Lock]] = {}  # by threads that fork just now
        self._left_behind: list[sqlite3.Connection] = []
        forks.around(before=self._before_fork, parent=self._after_in_parent, child=self._after_in_child)

    def _before_fork(self) -> None:
        """Close the file: SQLite counts locks per process, and a child would trust in locks that its parent holds."""
        taken = [lock for lock in (self._lock, self._reading) if lock.acquire(timeout=self._busy_s)]
        self._taken[threading.get_ident()] = taken
        if self._lock in taken:
            self._drop()

    def _after_in_parent(self) -> None:
        for lock in self._taken.pop(threading.get_ident(), ()):
            lock.release()

    def _after_in_child(self) -> None:
        self._lock, self._reading, self._taken = threading.Lock(), threading.Lock(), {}
        if self._db is not None:  # its thread did not let go in time: never used nor closed here
            self._left_behind.append(self._db)
            self._db = None

    def reserve(
        self, claims: Sequence[Claim], call_id: str, now_ns: int, lease_s: float = LEASE_S
    ) -> Reserved | Refusal:
        """See `Ledger.reserve`."""

        def step(db: sqlite3.Connection) -> Reserved | Refusal:
            amounts = statements.held(db, call_id)
            if amounts is None and statements.is_settled(db, call_id):
                amounts = tuple(claim.amount for claim in claims)
            if amounts is not None:
                return Reserved(amounts)
            tallies = [statements.tally_of(db, claim.counter) for claim in claims]
            answer = admit(claims, tallies)
            if isinstance(answer, Refusal):
                tally = tallies[claims.index(answer.claim)]
                return marked(answer, tally, lambda counter, bits: statements.add(db, counter, Tally(fired=bits)))
            statements.hold(db, call_id, now_ns + int(lease_s * SECOND), claims, answer.amounts)
            return answer

        return self._write(step, now_ns)

    def settle(self, claims: Sequence[Claim], call_id: str, now_ns: int) -> Settled:
        """See `Ledger.settle`."""

        def step(db: sqlite3.Connection) -> Settled:
            statements.free(db, call_id)
            if statements.is_settled(db, call_id):
                return Settled(first=False)
            statements.remember(db, call_id, now_ns)
            found: list[Crossing] = []
            for counter, (nano, tokens, unpriced) in claims:
                statements.add(db, counter, Tally(nano, tokens, unpriced=unpriced))
                tally = statements.tally_of(db, counter) if counter.limits.levels else NOTHING
                bits = fresh(counter, tally)
                if bits:
                    statements.add(db, counter, Tally(fired=bits))
                    found.extend(crossings(counter, bits, tally))
            return Settled(first=True, crossings=tuple(found))

        return self._write(step, now_ns)

    def release(self, call_id: str, now_ns: int) -> bool:
        """See `Ledger.release`."""
        return self._write(lambda db: statements.free(db, call_id), now_ns)

    def renew(self, call_ids: Sequence[str], now_ns: int, lease_s: float = LEASE_S) -> int:
        """See `Ledger.renew`."""
        due = now_ns + int(lease_s * SECOND)
        return self._write(lambda db: statements.renew(db, call_ids, due), now_ns)

    def standing(self, counter: Counter) -> Standing:
        """See `Ledger.standing`."""
        with self._connection() as db:
            return standing_of(counter, statements.tally_of(db, counter))

    def standings(
        self, now_ns: int, *, budget: str | None = None, scope: str | None = None, limit: int = 100
    ) -> list[Standing]:
        """See `Ledger.standings`."""

        def step(db: sqlite3.Connection) -> list[Standing]:
            names = statements.leading(db, now_ns, budget, scope, limit)
            rows = (row for name, who in names for row in statements.rows_of(db, now_ns, name, who))
            return list(merged(rows).values())

        return self._read(step)

    def reset(self, budget: str, scope: str | None, now_ns: int, who: str) -> list[Standing]:
        """See `Ledger.reset`."""

        def step(db: sqlite3.Connection) -> list[Standing]:
            fired = [row for row in statements.rows_of(db, now_ns, budget, scope) if row.tally.fired]
            statements.clear(db, now_ns, budget, scope)
            statements.note(db, Action(now_ns, who, "reset", budget, scope))
            return list(merged(fired).values())

        return self._write(step, now_ns)

    def raise_(self, budget: str, scope: str, amount: Amount, now_ns: int, who: str) -> Standing | None:
        """See `Ledger.raise_`."""

        def step(db: sqlite3.Connection) -> Standing | None:
            rows = statements.rows_of(db, now_ns, budget, scope)
            if not rows:
                return None
            statements.give(db, now_ns, rows[-1], amount)
            statements.note(db, Action(now_ns, who, "raise", budget, scope, amount))
            return merged(rows)[budget, scope]

        return self._write(step, now_ns)

    def actions(self, limit: int = 100) -> list[Action]:
        """See `Ledger.actions`."""
        return self._read(lambda db: statements.notes(db, limit))

    def close(self) -> None:
        """See `Ledger.close`."""
        with self._lock:
            self._drop()

    # --- steps ----------------------------------------------------------------------------------------------------

    def _write(self, step: Callable[[sqlite3.Connection], T], now_ns: int) -> T:
        """The answer of one step, with what has run out freed before it: all of it is written, or nothing."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                statements.expire(db, now_ns)
                answer = step(db)
                self._steps += 1
                if self._steps % SWEEP_EVERY == 1:
                    statements.sweep(db, now_ns)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return answer

    def _read(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of a step that only reads, and may take long: on a connection of its own, beside the writers."""
        with self._bounded(self._reading), contextlib.closing(opened(self._path, self._busy_s)) as db:
            db.execute("BEGIN")
            try:
                return step(db)
            finally:
                db.execute("ROLLBACK")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._bounded(self._lock):
            try:
                yield self._opened()
            except (sqlite3.Error, OSError) as error:
                if not is_busy(error):
                    self._drop()  # whatever broke, the next step starts from the file
                raise

    @contextlib.contextmanager
    def _bounded(self, lock: threading.Lock) -> Iterator[None]:
        """The lock, taken in time; what SQLite and the file system raise meanwhile is told as LedgerUnavailable."""
        if not lock.acquire(timeout=self._busy_s):
            raise LedgerUnavailable(f"{self._path} was in use by other threads for {self._busy_s:g} s; try again")
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerUnavailable(cause(self._path, self._busy_s, error)) from error
        finally:
            lock.release()

    def _opened(self) -> sqlite3.Connection:
        """The connection to the file that lies there now: one that was moved away gets no more entries."""
        if self._db is None or identity(self._path) != self._file:
            self._drop()
            self._db = opened(self._path, self._busy_s)
            self._file = identity(self._path)
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
        self._db = None
