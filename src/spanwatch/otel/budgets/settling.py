"""Charges on their way to the ledger: at once where the thread may wait for it, else soon on a thread of ours."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from spanwatch.core.budgets import Crossing
from spanwatch.core.errors import LedgerUnavailable
from spanwatch.otel.bounded import left
from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard, say
from spanwatch.store.ledger import Ledger
from spanwatch.store.ledger.outbox import Charge, Outbox, left_behind

TICK_S = 5.0
RETRY_S = 1.0
MOST_WAITING = 100_000  # charges of a ledger that is away; older ones are dropped and counted

_Work = Callable[[], object] | None


class Settling:
    """Settles charges in the order in which calls ended, each once; keeps them while the ledger is away.

    Args:
        ledger: Where they go.
        quick: Whether the ledger never waits for anybody: then every thread settles at once.
        home: Where charges that wait are kept for the next process, or None to keep them in memory alone.
        guard: Where failures stop.
        crossed: Called on the thread of ours with the levels that charges reached.
        tick: Called there every few seconds.
        instance: 32 hex characters, of this process.
        clock: UNIX nanoseconds.
    """

    _pending: deque[Charge]
    _is_away: bool
    _asked_again_at: float
    _why: str
    _work: SimpleQueue[_Work]

    def __init__(
        self,
        ledger: Ledger,
        guard: Guard,
        *,
        quick: bool,
        home: Path | None,
        crossed: Callable[[Sequence[Crossing]], None],
        tick: Callable[[], None],
        instance: Callable[[], str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ledger, self._guard, self._quick, self._home = ledger, guard, quick, home
        self._crossed, self._tick, self._instance, self._clock = crossed, tick, instance, clock
        self._outbox = None if home is None else Outbox(home)
        self.lost = 0
        self._renew()
        self._daemon = Daemon("spanwatch-budgets", self._loop, self._in_child)

    def start(self) -> None:
        """Start the thread; it first settles what processes before this one left."""
        self._daemon.ensure()

    def put(self, charge: Charge, *, may_wait: bool) -> None:
        """Settle a charge: before this returns where that is possible."""
        if (self._quick or may_wait) and not self.inside and not self._is_away:
            try:
                self.flush()
                with self.step():
                    self._apply(charge)
            except LedgerUnavailable as error:
                self.away(error)
            else:
                return
        with self._keeping:
            if self._outbox is not None:
                self._outbox.append(charge, self._instance())
            self._pending.append(charge)
            if len(self._pending) > MOST_WAITING:
                self._pending.popleft()
                self.lost += 1
        self.soon(None)

    def soon(self, action: _Work) -> None:
        """Run an action on the thread of ours, or with None let it settle what waits. Safe in a finalizer."""
        self._work.put(action)
        if not self._daemon.alive:
            self._daemon.ensure()

    def flush(self, *, anyway: bool = False) -> None:
        """Settle what waits, on this thread.

        Right after the ledger could not be used it is not asked again, except `anyway`: nobody waits twice for nothing.

        Raises:
            LedgerUnavailable: the ledger is away; what waits is kept.
        """
        if self._is_away and not anyway and time.monotonic() < self._asked_again_at:
            raise LedgerUnavailable(self._why)
        if self.inside or not (self._pending or self._turn.locked()):
            return
        with self.step(), self._turn:
            while self._next_charge():
                pass
            with self._keeping:
                if self._outbox is not None and not self._pending:
                    self._outbox.clear()
        self.back()

    def _next_charge(self) -> bool:
        """Settle the charge that waits longest; False when there is none."""
        try:
            charge = self._pending.popleft()
        except IndexError:
            return False
        try:
            self._apply(charge)
        except LedgerUnavailable:
            self._pending.appendleft(charge)
            raise
        except Exception as error:  # noqa: BLE001 (a charge that no ledger can take must not stop the others)
            self._guard.failed("settling a charge", error)
            self.lost += 1
        return True

    @property
    def inside(self) -> bool:
        """Whether this thread is at the ledger: a finalizer of the host may end a call then."""
        return getattr(self._local, "inside", False)

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Around each use of the ledger."""
        before, self._local.inside = self.inside, True
        try:
            yield
        finally:
            self._local.inside = before

    def away(self, error: Exception) -> None:
        """The ledger could not be used: said once until it is back."""
        now = time.monotonic()
        if self._is_away and now < self._asked_again_at:
            return  # it was not asked: many calls must not put off the next attempt for ever
        self._why, self._asked_again_at = str(error), now + RETRY_S
        if not self._is_away:
            self._is_away = True
            say("%s; budgets do as their on_store_error says, and what calls cost is charged later", error)

    def back(self) -> None:
        """The ledger could be used."""
        if self._is_away:
            self._is_away = False
            say("the ledger of the budgets is back; what waited has been charged")

    def drain(self, timeout: float) -> bool:
        """Wait until everything put before is settled and told; False when time was too short or the ledger is away."""
        reached = threading.Event()
        self.soon(lambda: self.soon(reached.set))  # on its second turn: what settled may have levels to tell
        return reached.wait(timeout) and not (self._is_away and self._pending)  # else what waits was put since

    def close(self, timeout: float) -> bool:
        """Drain and end the thread. What could not be settled is left to the next process."""
        deadline = time.monotonic() + timeout
        drained = self.drain(timeout)
        self._stopped = True
        self.soon(None)
        self._daemon.join(left(deadline))
        if self._outbox is not None:
            self._outbox.close()
        return drained

    def _apply(self, charge: Charge) -> None:
        if not charge.claims:
            self._ledger.release(charge.call_id, charge.at_ns)
            return
        settled = self._ledger.settle(charge.claims, charge.call_id, charge.at_ns)
        if settled.crossings:
            found = settled.crossings
            self.soon(lambda: self._crossed(found))

    def _loop(self) -> None:
        self._guard.run("settling what was left", self._take_over)
        next_tick = time.monotonic() + TICK_S
        while not self._stopped:
            action = self._next(RETRY_S if self._pending else max(0.01, next_tick - time.monotonic()))
            try:
                self.flush(anyway=True)
            except LedgerUnavailable as error:
                self.away(error)
            if action is not None:
                self._guard.run("a level of a budget", action)
            if time.monotonic() >= next_tick:
                self._guard.run("watching budgets", self._tick)
                next_tick = time.monotonic() + TICK_S

    def _next(self, timeout: float) -> _Work:
        try:
            return self._work.get(timeout=timeout)
        except Empty:
            return None

    def _take_over(self) -> None:
        if self._home is None:
            return
        for charges in left_behind(self._home, self._clock()):
            for charge in charges:
                with self.step():
                    self._apply(charge)

    def _in_child(self) -> None:
        if self._outbox is not None:
            self._outbox.after_fork()
        self._renew()

    def _renew(self) -> None:
        self._pending, self._work = deque(), SimpleQueue()
        self._turn, self._local = threading.Lock(), threading.local()
        self._keeping = threading.RLock()  # reentrant: a host finalizer may end a call inside it
        self._is_away = self._stopped = False
        self._why, self._asked_again_at = "", 0.0
