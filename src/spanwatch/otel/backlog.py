"""Lines of the journal while the disk stalls: they wait in memory, bounded, and a thread of its own writes them.

A write to a file cannot be given up: the one under way when a disk stalls holds its caller up. It holds up nobody else,
and no later one does: from the first that took LIMIT_S on, lines come here, in order. As long as the disk is quick,
who brings a line still waits until it is written, so that it survives a SIGKILL; never longer than LIMIT_S, and not at
all while the disk stalls.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from spanwatch.core.records import frame
from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import say

LIMIT_S = 0.25  # that the journal may hold a caller up; well beyond what a busy interpreter takes to wake a thread
CALM_S = 10.0  # that the disk was quick before callers write themselves again
TELL_S, AGAIN_S = 1.0, 30.0  # a stall that is told, and the time between two
CAPACITY = 16 * 1024 * 1024
BATCH = 1024 * 1024
_EACH = 128  # bytes that a waiting line takes beside its own
STALLED = "journal_stalled"

Refused = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line on its way, or none: then somebody waits for its turn, and with `ends` the segment is finished there."""

    line: bytes = b""
    refused: Refused | None = None
    landed: threading.Event | None = None
    ends: bool = False


class StallTelling:
    """Says when the disk stalls and when that is over; `where` is the directory of the journal."""

    _told: bool
    _told_at: float

    def __init__(self, where: str, clock: Callable[[], float]) -> None:
        self._where, self._clock = where, clock
        self.renew()

    def held_up(self, took: float) -> None:
        """A record has not been written for so many seconds."""
        if took < TELL_S or self._told or self._clock() - self._told_at < AGAIN_S:
            return
        with self._lock:
            told, self._told, self._told_at = self._told, True, self._clock()
        if not told:
            text = "the disk under the journal in %s holds records up, for %.1f s so far; until it is quick they wait"
            say(f"{text} in memory, of a bounded size, and a SIGKILL takes those that do", self._where, took)

    def over(self, lost: int) -> None:
        """Nothing waits any more; so many records could not be kept."""
        with self._lock:
            told, self._told = self._told, False
        if told:
            text = "the journal in %s is written without delay again; %d records could not be kept in it meanwhile"
            say(text, self._where, lost)

    def given_up(self, count: int, lost: int) -> None:
        """The process ends with so many records not written, of which some are for no collector."""
        if count:
            text = (
                "the disk under the journal in %s has not taken the last %d records: %d are sent from memory, %d lost"
            )
            say(text, self._where, count, count - lost, lost)

    def renew(self) -> None:
        """In a forked child: nothing was told."""
        self._lock = threading.RLock()
        self._told, self._told_at = False, -AGAIN_S


class Backlog:
    """Takes lines from any thread while `begun`, and hands them on in order.

    Args:
        where: The directory of the journal, as it is told.
        ready: Returns once nobody else is held up by the disk: until then what waits can be given up.
        land: Writes lines at once, and then finishes the segment if told to; False when they could not be kept. May
            take as long as the disk does.
        drop: Called with a reason and a count for lines that are not kept and were not handed back.
        clock: Monotonic seconds.
        capacity: Bytes that may wait.
        calm_s: How long the disk has to be quick before lines come here no more.

    Attributes:
        begun: Whether lines go through here.
    """

    begun: bool
    _lock: threading.RLock
    _stalls: bool
    _given_up: bool
    _queue: deque[Waiting]
    _bytes: int
    _lost: int

    def __init__(
        self,
        where: str,
        ready: Callable[[], object],
        land: Callable[[Sequence[bytes], bool], bool],
        drop: Callable[[str, int], object],
        *,
        clock: Callable[[], float],
        capacity: int = CAPACITY,
        calm_s: float = CALM_S,
    ) -> None:
        self._ready, self._land, self._drop, self._clock = ready, land, drop, clock
        self._capacity, self._calm_s = capacity, calm_s
        self._telling = StallTelling(where, clock)
        self._renew()
        self._daemon = Daemon("spanwatch-journal", self._loop, self._renew)

    def begin(self, took: float, *, stalls: bool) -> None:
        """Have lines come here: one took so many seconds, and `stalls` when it still does."""
        with self._lock:
            self._slow_at = self._clock()
            if not self.begun and self._daemon.ensure():  # no thread can be had at the very end of a process
                self.begun, self._stalls = True, stalls
        self._telling.held_up(took)

    def put(self, line: bytes, refused: Refused | None = None) -> bool | None:
        """Keep a line until it is written; `refused` gets it back when it cannot be.

        False when there is no room for it, None when lines do not go through here.
        """
        with self._lock:
            if not self.begun:
                return None
            if not self._bytes:
                self._quick_at = self._clock()
            fits = not self._given_up and self._bytes + len(line) + _EACH <= self._capacity
            landed = threading.Event() if fits and not self._stalls and not self._daemon.current else None
            if fits:
                self._count(line, refused, 1)
                self._enqueue(Waiting(line, refused, landed))
            else:
                self._lost += 1
                self._drop(STALLED, 1)
        if landed is not None and not landed.wait(LIMIT_S):
            self._stalls = True
        self._telling.held_up(self._clock() - self._quick_at)
        return fits

    def end(self, timeout: float) -> bool:
        """Finish the segment after the lines that wait, in time or later; False when lines do not go through here."""
        landed = threading.Event()
        with self._lock:
            if not self.begun:
                return False
            self._enqueue(Waiting(landed=landed, ends=True))
        landed.wait(timeout)
        return True

    def waiting(self, refused: Refused) -> int:
        """How many lines wait that would be handed back there."""
        return self._held[refused]

    def drain(self, timeout: float) -> bool:
        """Wait until all that came before is written; False when the time was too short."""
        landed = threading.Event()
        with self._lock:
            if not self._bytes or self._daemon.current:
                return True
            self._enqueue(Waiting(landed=landed))
        return landed.wait(timeout)

    def give_up(self) -> None:
        """Hand back what waits, and take nothing more until the disk is quick: the process is about to end."""
        with self._lock:
            lines = [each for each in self._queue if each.line]
            others = [each for each in self._queue if not each.line]
            self._queue.clear()
            self._queue.extend(others)
            self._given_up = bool(self._bytes)
            for each in lines:
                self._count(each.line, each.refused, -1)
            if lost := sum(each.refused is None for each in lines):
                self._drop(STALLED, lost)
        _hand_back(lines)
        self._telling.given_up(len(lines), lost)

    def _loop(self) -> None:
        while True:
            self._wake.get()
            if not self._queue:
                continue
            began = self._clock()
            self._ready()
            batch = self._taken()
            if not batch:
                continue
            if not self._land([each.line for each in batch if each.line], batch[-1].ends):
                _hand_back(batch)
            if lost := self._settle(batch, self._clock() - began):
                self._land([frame("dropped", {"n": lost, "reason": STALLED, "kind": "any"})], False)

    def _enqueue(self, waiting: Waiting) -> None:
        self._queue.append(waiting)
        self._wake.put(None)

    def _taken(self) -> list[Waiting]:
        """What waits, about BATCH bytes of it, up to the end of a segment."""
        found: list[Waiting] = []
        size = 0
        with self._lock:
            while self._queue and size < BATCH and not (found and found[-1].ends):
                found.append(self._queue.popleft())
                size += len(found[-1].line)
        return found

    def _settle(self, batch: Sequence[Waiting], took: float) -> int:
        """Count what is done with; how many were not kept until now, once nothing waits any more."""
        with self._lock:
            now = self._quick_at = self._clock()
            if took >= LIMIT_S:
                self._slow_at = now
            else:
                self._stalls = self._given_up = False
            for each in batch:
                if each.line:
                    self._count(each.line, each.refused, -1)
            caught_up, lost = not self._queue, self._lost
            if caught_up:
                self.begun, self._lost = now - self._slow_at < self._calm_s, 0
        for each in batch:
            if each.landed is not None:
                each.landed.set()
        if caught_up:
            self._telling.over(lost)
        return lost if caught_up else 0

    def _count(self, line: bytes, refused: Refused | None, sign: int) -> None:
        self._bytes += sign * (len(line) + _EACH)
        if refused is not None:
            self._held[refused] += sign

    def _renew(self) -> None:
        """In a forked child: what waits is the parent's."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside
        self._queue = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._held: Counter[Refused] = Counter()
        self._bytes = self._lost = 0
        self.begun = self._stalls = self._given_up = False
        self._quick_at = self._slow_at = 0.0
        self._telling.renew()


def _hand_back(batch: Sequence[Waiting]) -> None:
    for each in batch:
        if each.refused is not None:
            each.refused(each.line)
