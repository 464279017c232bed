"""The segments that this process pays for: its own as they are begun, and those that others left behind."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from spanwatch.store import segments
from spanwatch.store.owed import OwedLane, OwedSegment, begin, is_owed, take_over

LOOK_S = 3.0
AT_ONCE = 8  # segments of others that are held at a time
FULL = "journal_full"


class Spool:
    """Holds the locks on side files; asked by the senders of all lanes, from their threads.

    Args:
        home: The directory of the store.
        most_bytes: What segments that are owed may take; beyond it the oldest give up what they owe.
        lost: Called with lane, reason, count and whether they were this process's own.
        look_s: Seconds between looks for segments that were left behind.
    """

    _own: list[OwedSegment]
    _others: list[OwedSegment]
    _more: bool

    def __init__(
        self,
        home: Path,
        most_bytes: int,
        lost: Callable[[str, str, int, bool], None],
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self._home, self._most_bytes, self._lost, self._look_s = home, most_bytes, lost, look_s
        self.lanes: frozenset[str] = frozenset()
        self._renew()

    def opened(self, path: Path) -> None:
        """The journal has begun a segment; the one before is complete.

        Raises:
            OSError: its side file cannot be made.
        """
        with self._lock:
            self.closed()
            if self.lanes:
                self._own.append(begin(path))

    def closed(self) -> None:
        """The journal has ended its segment."""
        with self._lock:
            for segment in self._own:
                segment.closed = True

    def sources(self, lane: str) -> list[tuple[OwedLane, bool]]:
        """What there is to send on a lane, and whether it is this process's own; its own first, then the oldest."""
        self._look()
        with self._lock:
            parts = [(segment.lanes.get(lane), True) for segment in self._own]
            parts += [(segment.lanes.get(lane), False) for segment in self._others]
        return [(part, own) for part, own in parts if part is not None]

    def settle(self) -> None:
        """Let go of the segments that owe nothing any more, and of others that owe only on lanes not served here."""
        with self._lock:
            before = len(self._own) + len(self._others)
            self._own = [segment for segment in self._own if not segment.settle()]
            others = [segment for segment in self._others if not segment.settle()]
            self.freed += before - len(self._own) - len(others)
            self._others = [segment for segment in others if not self._left_over(segment)]
            if self._more and not self._others:  # as many were left behind as are held: look for the rest at once
                self._more, self._looked_at = False, -self._look_s

    def _left_over(self, segment: OwedSegment) -> bool:
        if not all(part.is_done() for lane, part in segment.lanes.items() if lane in self.lanes):
            return False
        self._passed.add(segment.path)
        segment.release()
        return True

    def release(self) -> None:
        """At the end: what is owed still is left to the next process."""
        with self._lock:
            self.closed()
            self.settle()
            for segment in (*self._own, *self._others):
                segment.release()
            self._own, self._others, self._ended = [], [], True

    def renew_in_child(self) -> None:
        """In a forked child, once: the segments are the parent's."""
        if self._pid != os.getpid():
            self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        for segment in (*getattr(self, "_own", ()), *getattr(self, "_others", ())):
            segment.forget()
        self._lock = threading.RLock()
        self._own, self._others = [], []
        self.freed = 0  # segments that nobody waits for any more
        self._passed: set[Path] = set()
        self._looked_at = -self._look_s
        self._ended = self._more = False

    def _look(self) -> None:
        """Take over what was left behind, and keep to the size, every so often."""
        with self._lock:
            now = time.monotonic()
            if self._ended or now - self._looked_at < self._look_s:
                return
            self._looked_at = now
            with contextlib.suppress(OSError):  # of a directory that is gone: looked at again soon
                self._look_after()

    def _look_after(self) -> None:
        self.settle()
        held = self._passed | {segment.path for segment in (*self._own, *self._others)}
        found = segments.segments(self._home)
        for segment in found:
            if len(self._others) >= AT_ONCE:
                break
            if segment.path not in held and segment.size and is_owed(segment):
                taken = take_over(segment)
                if taken is not None and not taken.settle():
                    self._others.append(taken)
        self._more = len(self._others) >= AT_ONCE
        self.settle()
        owed = sum(segment.size for segment in found if is_owed(segment))  # the others go by themselves
        excess = owed - self._most_bytes
        if excess > 0:
            self._give_up(excess)

    def _give_up(self, excess: int) -> None:
        """Drop what the oldest finished segments owe, until so many bytes are free."""
        for segment in [*self._others, *(segment for segment in self._own if segment.closed)]:
            if excess <= 0:
                break
            excess -= segment.size()
            for lane, part in segment.lanes.items():
                self._lost(lane, FULL, part.give_up(FULL), segment in self._own)
        self.settle()
