"""Records that wait in memory because no journal takes them: bounded in bytes, and what does not fit is counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from spanwatch.core.records import unframe

CAPACITY = 16 * 1024 * 1024
_EACH = 64  # bytes that a waiting record takes beside its own


class Memory:
    """One lane's records that are only in memory; a source of the sender."""

    def __init__(self, resource: Callable[[], Mapping[str, Any]], capacity: int = CAPACITY) -> None:
        self._resource, self._capacity = resource, capacity
        self.renew()

    @property
    def resource(self) -> Mapping[str, Any]:
        """The attributes of the resource that the records belong to."""
        return self._resource()

    def put(self, line: bytes) -> bool:
        """Keep one record; False when there is no room for it."""
        with self._lock:
            if self._bytes + len(line) + _EACH > self._capacity:
                return False
            self._lines.append(line)
            self._bytes += len(line) + _EACH
            return True

    def take(self, records: int, size: int) -> list[dict[str, Any]]:
        """The oldest records, at most `records` of them and about `size` bytes."""
        chosen: list[bytes] = []
        with self._lock:
            for line in self._lines:
                if len(chosen) >= records or size <= 0:
                    break
                chosen.append(line)
                size -= len(line)
        return [unframe(line[:-1]) or {} for line in chosen]

    def settle(self, count: int, delivered: int, dropped: Mapping[str, int]) -> tuple[int, dict[str, int]]:
        """The oldest `count` records are done with; what counts as delivered and as dropped."""
        with self._lock:
            for _ in range(min(count, len(self._lines))):
                self._bytes -= len(self._lines.popleft()) + _EACH
        return delivered, {reason: number for reason, number in dropped.items() if number}

    def drained(self) -> list[bytes]:
        """Everything that waits, which waits here no more."""
        with self._lock:
            found = list(self._lines)
            self._lines.clear()
            self._bytes = 0
            return found

    def __len__(self) -> int:
        return len(self._lines)

    def renew(self) -> None:
        """In a forked child: begin empty, what waits is the parent's."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside
        self._lines: deque[bytes] = deque()
        self._bytes = 0
