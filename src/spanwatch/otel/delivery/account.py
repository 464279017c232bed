"""What one process emitted on one lane, and what became of it: emitted = delivered + waiting + dropped by reason."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from spanwatch.core.exports import Signal


@dataclass(frozen=True, slots=True)
class LaneAccount:
    """The account of one signal, in records (of metrics: in reports, one per collection).

    Attributes:
        emitted: Records handed over by this process.
        delivered: Records that the collector took.
        journaled: Records that wait in the journal: the next process sends them if this one cannot.
        in_memory: Records that wait in memory and are lost with the process.
        dropped: Records that will not arrive, by reason.
        resumed: Records of other processes, left behind in the journal, that this one delivered.
    """

    signal: Signal
    emitted: int = 0
    delivered: int = 0
    journaled: int = 0
    in_memory: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    resumed: int = 0

    @property
    def waiting(self) -> int:
        """Records that are neither delivered nor dropped."""
        return self.journaled + self.in_memory

    @property
    def lost(self) -> int:
        """Records that will not arrive."""
        return sum(self.dropped.values())


class Counts:
    """Counts from any thread; begins anew in a forked child."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.renew()

    def emit(self) -> None:
        """One record was handed over."""
        with self._lock:
            self._emitted += 1

    def done(self, delivered: int, dropped: Mapping[str, int]) -> None:
        """Records of this process were delivered or dropped."""
        with self._lock:
            self._delivered += delivered
            self._dropped.update(dropped)

    def resume(self, delivered: int) -> None:
        """Records that another process left behind were delivered."""
        with self._lock:
            self._resumed += delivered

    def outstanding(self) -> int:
        """Records that were neither delivered nor dropped."""
        with self._lock:
            return max(0, self._emitted - self._delivered - self._dropped.total())

    def account(self, in_memory: int) -> LaneAccount:
        """The account now; `in_memory` records wait there."""
        with self._lock:
            waiting = max(0, self._emitted - self._delivered - self._dropped.total())
            memory = min(in_memory, waiting)
            return LaneAccount(
                self.signal,
                self._emitted,
                self._delivered,
                waiting - memory,
                memory,
                dict(self._dropped),
                self._resumed,
            )

    def renew(self) -> None:
        """Count from zero."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside
        self._emitted = self._delivered = self._resumed = 0
        self._dropped: Counter[str] = Counter()
