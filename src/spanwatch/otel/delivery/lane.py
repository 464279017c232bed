"""One signal's way out: records go to the journal, or to memory where there is none, and its sender takes them on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spanwatch.core import names
from spanwatch.core.exports import Export
from spanwatch.core.records import Kind
from spanwatch.core.values import masked
from spanwatch.otel.delivery.account import Counts, LaneAccount
from spanwatch.otel.delivery.connection import Connection
from spanwatch.otel.delivery.endpoint import Endpoint
from spanwatch.otel.delivery.memory import Memory
from spanwatch.otel.delivery.sender import Sender, Source
from spanwatch.otel.delivery.spool import Spool
from spanwatch.otel.delivery.telling import OutageTelling
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import UNENCODABLE, Journal, line_of
from spanwatch.otel.worker import Added

QUEUE_FULL, EXIT = "queue_full", "exit"
_NOUNS = {"traces": "spans", "logs": "log records", "metrics": "metric reports"}


class Lane:
    """Takes records as journal lines from any thread, and never raises.

    Args:
        export: Which signal, and where to.
        endpoint: The same, resolved.
        spool: The journal's segments that are owed, or None: records wait in memory only.
        resource: The attributes of the resource of records in memory.
        count: Takes amounts for the metrics.
        guard: Where failures stop.

    Attributes:
        journal: Where records wait, once there is one.
        only_scope: The instrumentation scope that is sent, in an application's provider; else None.
        is_open: False when what comes from now on is only kept, and not sent.
    """

    def __init__(
        self,
        export: Export,
        endpoint: Endpoint,
        *,
        spool: Spool | None,
        resource: Callable[[], Mapping[str, Any]],
        count: Callable[[Added], object],
        guard: Guard,
    ) -> None:
        self.export, self.counts = export, Counts(export.signal)
        self.journal: Journal | None = None
        self.only_scope: str | None = None
        self.is_open = True
        self._spool, self._count = spool, count
        self._memory = Memory(resource)
        self._told = LaneAccount(export.signal)
        self._given_up: deque[tuple[str, int]] = deque()
        what = f"{_NOUNS[export.signal]} to {masked(export.target)}"
        self._telling = OutageTelling(what, self._kept)
        self._sender = Sender(
            export.signal,
            lambda: Connection(endpoint),
            self._sources,
            done=self._done,
            owes=self.counts.outstanding,
            telling=self._telling,
            tick=self._tick,
            renew=self.renew,
            guard=guard,
        )

    def put(self, line: bytes) -> None:
        """One record, as a line of the journal."""
        journal = self.journal
        if not self.is_open:
            if journal is not None:
                journal.put(line)
            return
        self.counts.emit()
        if journal is None or not journal.put(line, self._aside):
            self._aside(line)

    def append(self, kind: Kind, body: dict[str, Any]) -> None:
        """One record as a body, whose values may have to be cleaned first."""
        line = line_of(kind, body)
        if line is not None:
            self.put(line)
        else:
            self.counts.emit()
            self.dropped(UNENCODABLE, 1)

    def dropped(self, reason: str, count: int) -> None:
        """Records of this process will not arrive."""
        if count:
            self.counts.done(0, {reason: count})
            self._telling.losing(reason, count)

    def gave_up(self, reason: str, count: int, *, own: bool) -> None:
        """Records in the journal were dropped, this process's own or another's; called under a lock: told later."""
        if own:
            self.counts.done(0, {reason: count} if count else {})
        self._given_up.append((reason, count))

    def account(self) -> LaneAccount:
        """What was emitted, and what became of it."""
        held_up = 0 if self.journal is None else self.journal.waiting(self._aside)
        return self.counts.account(len(self._memory) + held_up)

    def start(self) -> None:
        """Start the sender."""
        self._sender.start()

    def drain(self, deadline: float) -> threading.Event:
        """Send all that was handed over; the event says when that is done or hopeless."""
        return self._sender.drain(deadline)

    def last(self, deadline: float) -> threading.Event:
        """Send for the last time; what fails from now on is told by whoever asked."""
        self._telling.quiet = True
        return self._sender.drain(deadline)

    def break_off(self) -> None:
        """Send no more; what is under way is cut."""
        self._sender.stop()

    def stop(self, timeout: float) -> None:
        """End: what is only in memory goes to the journal if it can be written again, else it is lost."""
        self.break_off()
        self._sender.join(timeout)
        lines = self._memory.drained()
        journal = self.journal
        lost = len(lines) if journal is None else sum(not journal.put(line, self._too_late) for line in lines)
        self.dropped(EXIT, lost)
        self._tick()
        self._telling.tick(ending=True)

    def renew(self) -> None:
        """In a forked child: a lane of its own, which owes nothing yet."""
        if self._spool is not None:
            self._spool.renew_in_child()
        self.counts.renew()
        self._memory.renew()
        self._telling.renew()
        self._told = LaneAccount(self.export.signal)
        self._given_up.clear()

    def _aside(self, line: bytes) -> None:
        """Keep in memory what the journal does not take, if there is room."""
        if not self._memory.put(line):
            self.dropped(QUEUE_FULL, 1)

    def _too_late(self, _line: bytes) -> None:
        self.dropped(EXIT, 1)

    def _sources(self) -> Sequence[tuple[Source, bool]]:
        found: list[tuple[Source, bool]] = []
        if len(self._memory):
            found.append((self._memory, True))
        if self._spool is not None:
            found += self._spool.sources(self.export.signal)
        return found

    def _done(self, own: bool, delivered: int, dropped: Mapping[str, int]) -> None:
        if own:
            self.counts.done(delivered, dropped)
        else:
            self.counts.resume(delivered)
        for reason, count in dropped.items():
            self._telling.losing(reason, count)

    def _kept(self) -> str:
        if self.journal is not None and self.journal.writable:
            return "they are kept in the journal and sent later"
        return "they wait in memory, of a bounded size"

    def _tick(self) -> None:
        """What changed since the last time, for the metrics."""
        while self._given_up:
            reason, count = self._given_up.popleft()
            if count:
                self._telling.losing(reason, count)
        self._telling.tick()
        if self._spool is not None:
            self._spool.settle()
        before, now = self._told, self.account()
        self._told = now
        signal = {names.DELIVERY_SIGNAL: now.signal}
        for metric, amount in (
            (names.DELIVERY_EMITTED, now.emitted - before.emitted),
            (names.DELIVERY_DELIVERED, now.delivered - before.delivered),
            (names.DELIVERY_RESUMED, now.resumed - before.resumed),
        ):
            if amount > 0:
                self._count(Added(metric, amount, dict(signal)))
        for reason, count in now.dropped.items():
            if (more := count - before.dropped.get(reason, 0)) > 0:
                self._count(Added(names.DELIVERY_DROPPED, more, {**signal, names.ERROR_TYPE: reason}))
