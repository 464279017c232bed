"""What a segment owes its collectors: a side file `<segment>.owed`, there until all of it is delivered or dropped.

Each line of it is a mark: how far one lane (`traces`, `logs`, `metrics`) is, and what became of the records before. Who
holds the lock on it delivers; a projection leaves the segment alone as long as the file is there.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spanwatch.core.records import frame, lines, unframe
from spanwatch.store import files, locks, segments
from spanwatch.store.accounting import Tallied, settle
from spanwatch.store.segments import Segment

SUFFIX = ".owed"
LANE_OF = {"span": "traces", "log": "logs", "metrics": "metrics"}
DAMAGED, FORGOTTEN = "journal_damaged", "forgotten"

_PIECE = 1024 * 1024
_HEAD = 65_536
_PREFIX = {f'{{"k":"{kind}"'.encode(): lane for kind, lane in LANE_OF.items()}
_BLANKS = {f'{{"k":"blank","was":"{kind}"'.encode(): lane for kind, lane in LANE_OF.items()}
_FLAGS = os.O_RDWR | os.O_APPEND
Body = dict[str, Any]


@dataclass(slots=True)
class Position:
    """How far a lane is, in bytes, and what became of its records so far."""

    end: int = 0
    delivered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a lane: the offset after it, its body, or None and why there is none."""

    end: int
    body: Body | None
    reason: str = ""


def side_file(segment: Path) -> Path:
    """Where a segment's debts are kept."""
    return segment.with_suffix(SUFFIX)


def is_owed(segment: Segment) -> bool:
    """Whether a segment has to stay because collectors wait for it."""
    return os.path.lexists(side_file(segment.path))


def marks(path: Path) -> dict[str, Position]:
    """The last mark of each lane; empty when there is none yet, or none that can be read.

    Raises:
        OSError: the file is gone or cannot be read.
    """
    found: dict[str, Position] = {}
    for line in lines(path.read_bytes()):
        body = line.payload or {}
        lane, end, delivered, dropped = (body.get(key) for key in ("lane", "end", "delivered", "dropped"))
        if isinstance(lane, str) and isinstance(end, int) and isinstance(delivered, int) and isinstance(dropped, dict):
            found[lane] = Position(end, delivered, Counter(dropped))
    return found


class OwedSegment:
    """A segment whose debts this process pays: it holds the lock on the side file, until `release`."""

    def __init__(self, path: Path, data: int, mark: int, head: Body, *, closed: bool) -> None:
        self.path, self.closed, self.head = path, closed, head
        self._data, self._mark = data, mark
        self._lock = threading.RLock()
        known = marks(side_file(path))
        given = head.get("lanes")
        scopes: dict[str, Any] = given if isinstance(given, dict) else {}
        first = next(iter(scopes), None)
        self.lanes = {
            lane: OwedLane(self, lane, scope, known.get(lane) or Position(), takes_damaged=lane == first)
            for lane, scope in scopes.items()
        }

    @property
    def resource(self) -> Mapping[str, Any]:
        """The attributes of the resource that its records belong to."""
        found = self.head.get("resource")
        return found if isinstance(found, dict) else {}

    def read(self, start: int, size: int) -> bytes:
        """Whole lines from `start` on."""
        with self._lock:
            return b"" if self._data < 0 else segments.read(self._data, start, size).data

    def mark(self, lane: str, position: Position) -> None:
        """Keep how far a lane is; when that cannot be written, a later process sends again what is marked too late."""
        body = {"lane": lane, "end": position.end, "delivered": position.delivered, "dropped": dict(position.dropped)}
        with self._lock, contextlib.suppress(OSError):
            if self._mark >= 0:
                os.write(self._mark, frame("mark", body))

    def settle(self) -> bool:
        """Let go of a closed segment that owes nothing any more; whether that is so."""
        with self._lock:
            if not self.closed or self._data < 0 or not all(lane.is_done() for lane in self.lanes.values()):
                return False
            tallied = {
                lane: Tallied.of(part.position.delivered, part.position.dropped) for lane, part in self.lanes.items()
            }
            with contextlib.suppress(OSError):
                settle(self.path.parent, self.path.stem, tallied)
                files.remove(side_file(self.path), self.release)
            self.release()
            return True

    def size(self) -> int:
        """Bytes of the segment now."""
        with self._lock:
            return 0 if self._data < 0 else os.fstat(self._data).st_size

    def forget(self) -> None:
        """In a forked child: close the copies; the parent, whose lock it is, goes on."""
        self._lock = threading.RLock()
        self.release()

    def release(self) -> None:
        """Give up the lock; what is owed still is left to the next process."""
        with self._lock:
            for descriptor in (self._data, self._mark):
                if descriptor >= 0:
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
            self._data = self._mark = -1


class OwedLane:
    """The records of one lane of a segment, from the first that is owed on: taken by one thread, given up by any."""

    def __init__(
        self, segment: OwedSegment, lane: str, scope: str | None, position: Position, *, takes_damaged: bool
    ) -> None:
        self.segment, self.lane, self.position = segment, lane, position
        self._scope, self._takes_damaged = scope, takes_damaged
        self._lock = threading.RLock()
        self._entries: list[Entry] = []
        self._tail = position.end

    @property
    def resource(self) -> Mapping[str, Any]:
        """The attributes of the resource that the records belong to."""
        return self.segment.resource

    def take(self, records: int, size: int) -> list[Body]:
        """The next records, at most `records` of them and about `size` bytes; nothing when none is there yet."""
        with self._lock:
            self._entries, self._tail, taken = [], self.position.end, 0
            while len(self._entries) < records and taken < size and (data := self.segment.read(self._tail, _PIECE)):
                taken += self._scan(data, records, size - taken)
            return [entry.body for entry in self._entries if entry.body is not None]

    def settle(self, count: int, delivered: int, dropped: Mapping[str, int]) -> tuple[int, dict[str, int]]:
        """The first `count` records taken last are done with; what counts as delivered and as dropped.

        Unreadable lines among them are dropped; records that were given up meanwhile count no more.
        """
        with self._lock:
            if self._tail < self.position.end:
                return 0, {}
            entries, self._entries = self._entries, []
            passed, end = _first(entries, count, self._tail)
            lost = Counter({reason: number for reason, number in dropped.items() if number})
            lost.update(entry.reason for entry in passed if entry.body is None)
            self.position.end, self.position.delivered = end, self.position.delivered + delivered
            self.position.dropped.update(lost)
            if passed:
                self.segment.mark(self.lane, self.position)
            return delivered, dict(lost)

    def give_up(self, reason: str) -> int:
        """Drop all that is owed; how many records that were."""
        with self._lock:
            count = 0
            while not self.is_done():
                count += len(self.take(1 << 30, _PIECE))
                self.settle(len(self._entries), 0, {reason: sum(each.body is not None for each in self._entries)})
            self._tail = -1
            return count

    def is_done(self) -> bool:
        """Whether every whole line was passed."""
        return not self.segment.read(self.position.end, _PIECE)

    def left(self) -> int:
        """How many records are owed still, those of which nothing can be read included."""
        with self._lock:
            kept, count = self.position.end, 0
            while not self.is_done():
                self.take(1 << 30, _PIECE)
                count += len(self._entries)
                self.position.end = self._tail
            self.position.end, self._entries = kept, []
            return count

    def _scan(self, data: bytes, records: int, size: int) -> int:
        """Look through whole lines until there are enough; how many bytes of the lane's own they were."""
        start = taken = 0
        while start < len(data) and len(self._entries) < records and taken < size:
            newline = data.index(b"\n", start)
            end = self._tail + newline + 1 - start
            entry = self._entry(data, start, newline, end)
            if entry is not None:
                self._entries.append(entry)
                taken += newline - start
            start, self._tail = newline + 1, end
        return taken

    def _entry(self, data: bytes, start: int, newline: int, end: int) -> Entry | None:
        text = data[start + 9 : start + 48]
        lane = next((lane for prefix, lane in _PREFIX.items() if text.startswith(prefix)), None)
        if lane is None and any(text.startswith(prefix) and lane == self.lane for prefix, lane in _BLANKS.items()):
            return Entry(end, None, FORGOTTEN)
        if lane is None:
            sound = not self._takes_damaged or unframe(data[start:newline]) is not None
            return None if sound else Entry(end, None, DAMAGED)
        if lane != self.lane:
            return None
        body = unframe(data[start:newline])
        if body is None:
            return Entry(end, None, DAMAGED)
        scope = body.get("sc")
        if self._scope is not None and not (isinstance(scope, list) and scope and scope[0] == self._scope):
            return None
        return Entry(end, body)


def _first(entries: list[Entry], count: int, tail: int) -> tuple[list[Entry], int]:
    """The entries up to the `count`-th record, and where they end; all of it when that is the last."""
    seen = 0
    for index, entry in enumerate(entries):
        seen += entry.body is not None
        if seen == count and any(later.body is not None for later in entries[index + 1 :]):
            return entries[: index + 1], entry.end
    return entries, tail


def begin(path: Path) -> OwedSegment:
    """Owe a segment that this process has just begun, and whose first record is written.

    Raises:
        OSError: the side file cannot be made.
    """
    mark = files.open_file(side_file(path), _FLAGS | os.O_CREAT | os.O_EXCL)
    with contextlib.suppress(OSError):  # a file system without locks: two senders may repeat, none loses
        locks.attempt(mark)
    try:
        data = files.open_file(path, os.O_RDONLY)
    except OSError:
        os.close(mark)
        raise
    return OwedSegment(path, data, mark, _head(data), closed=False)


def opened_to_count(path: Path) -> OwedSegment:
    """A segment whose debts are only counted: nothing is locked, and nothing must be settled.

    Raises:
        OSError: it is gone or cannot be read.
    """
    data = files.open_file(path, os.O_RDONLY)
    return OwedSegment(path, data, -1, _head(data), closed=False)


def take_over(segment: Segment) -> OwedSegment | None:
    """A segment that another process left behind, if it owes anything and nobody else pays; else None."""
    with contextlib.ExitStack() as undo:
        try:
            mark = files.open_file(side_file(segment.path), _FLAGS)
            undo.callback(os.close, mark)
            if not locks.attempt(mark):
                return None
            data = files.open_file(segment.path, os.O_RDONLY)
            undo.callback(os.close, data)
            if os.fstat(mark).st_nlink == 0 or not segments.is_finished(data, segment):
                return None
            found = OwedSegment(segment.path, data, mark, _head(data), closed=True)
        except OSError:
            return None
        undo.pop_all()
        return found


def _head(descriptor: int) -> Body:
    data = segments.read(descriptor, 0, _HEAD).data
    newline = data.find(b"\n")
    return (unframe(data[:newline]) if newline > 0 else None) or {}
