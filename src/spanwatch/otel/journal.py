"""The journal: one append without fsync per finished span, call or log record; survives SIGKILL.

A process writes segments `journal/<instance>-<n>.log` under the home directory and holds a lock on the one it
appends to, so that the store knows which are finished. A forked child writes its own, under its own instance id.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanwatch.core.records import VERSION, Kind, frame
from spanwatch.core.redact import NO_RULES, Redactor, Rules, without_secrets
from spanwatch.core.sanitise import Sanitiser
from spanwatch.otel.backlog import LIMIT_S, Backlog, Refused
from spanwatch.otel.guard import say
from spanwatch.store import files, forks, locks

SEGMENT_BYTES = 8 * 1024 * 1024
RETRY_S = 5.0
LOOK_S = 0.05
_CLEAN = frozenset({"span", "log", "metrics"})  # cleaned when they were encoded
UNWRITABLE = "journal_unwritable"
UNENCODABLE = "unencodable"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True)
class Origin:
    """Who writes: the body of a segment's first record. `resource` and `lanes` are asked anew for each segment.

    `lanes` are the signals that collectors wait for, each with the one scope that is sent, or None: all are.
    """

    service: str
    run: str | None = None
    resource: Callable[[], Mapping[str, Any]] = dict
    lanes: Callable[[], Mapping[str, str | None]] = dict


class Journal:
    """Appends records from any thread and never raises; what cannot be written is counted by reason.

    An append is a write on the caller's thread; while the disk stalls it goes through a `Backlog`.

    Args:
        home: The `.spanwatch` directory; made when missing, mode 0700.
        origin: What the first record of each segment says.
        new_id: 32 hex characters, a new instance id for this process and for each forked child.
        lost: Called with a reason and a count for records that were not kept. May be called under load: be quick.
        segment_bytes: Size at which a new segment is begun.
        retry_s: Seconds between attempts while the directory cannot be written.
        rules: What the application calls secret, in records of our own; spans and logs come without their secrets.
        begun: Called with each segment once its first record is written, under the lock; may raise OSError.
        ended: Called when the segment is finished and no other is begun.
        clock: Monotonic seconds.
    """

    _lock: threading.RLock
    _fd: int
    _size: int
    _number: int
    _opened: bool
    _switching: bool
    _failed_at: float | None
    _looked_at: float
    _lost_since: int
    _late: list[bytes]
    _news: list[tuple[object, ...]]

    def __init__(
        self,
        home: Path,
        origin: Origin,
        new_id: Callable[[], str],
        *,
        lost: Callable[[str, int], None] = lambda _reason, _count: None,
        segment_bytes: int = SEGMENT_BYTES,
        retry_s: float = RETRY_S,
        rules: Rules = NO_RULES,
        begun: Callable[[Path], object] = lambda _path: None,
        ended: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = home
        self.instance = new_id()
        self.appended = 0
        self.dropped: dict[str, int] = {}
        self._origin, self._new_id, self._lost = origin, new_id, lost
        self._segment_bytes, self._retry_s = segment_bytes, retry_s
        self._begun, self._ended, self._rules, self._clock = begun, ended, rules, clock
        self._forget()
        self._backlog = Backlog(str(home), self._ready, self._land, self._drop, clock=clock)
        forks.around(child=self._in_child)

    def append(self, kind: Kind, body: dict[str, Any]) -> bool:
        """Write one record; False when it was dropped."""
        data = line_of(kind, body if kind in _CLEAN else without_secrets(body, self._rules))
        if data is None:
            self._drop(UNENCODABLE)
            return False
        return self.put(data)

    def put(self, data: bytes, refused: Refused | None = None) -> bool:
        """Write one record that is a line already; False when it was dropped.

        While the disk stalls it may be found only later that it cannot be kept: `refused` gets it back then.
        """
        if not self._backlog.begun and (written := self._append(data, LIMIT_S)) is not None:
            return written
        kept = self._put_off(data, refused)
        return bool(self._append(data, -1)) if kept is None else kept

    def drain(self, timeout: float) -> bool:
        """Wait until what the disk holds up is written; False when the time was too short."""
        return self._backlog.drain(timeout)

    def hurry(self, timeout: float) -> None:
        """At the end of a process: what a stalling disk does not take in time is handed back, or dropped."""
        if not self._backlog.drain(timeout):
            self._backlog.give_up()

    def waiting(self, refused: Refused) -> int:
        """How many lines are held up by the disk that would be handed back there."""
        return self._backlog.waiting(refused)

    def close(self, timeout: float = LIMIT_S) -> None:
        """Finish the segment, so that the store may remove it; a later append begins another.

        A disk that stalls has `timeout` seconds, and finishes it whenever it can.
        """
        if not (self._backlog.end(timeout) or self._finish()):
            self._backlog.begin(LIMIT_S, stalls=True)
            self._backlog.end(timeout)

    def sync(self) -> None:
        """Have what was written so far on the disk, for a power cut; slow, and no lock is held meanwhile."""
        with self._lock:
            copy = os.dup(self._fd) if self._fd >= 0 else -1
        if copy >= 0:
            try:
                files.to_disk(copy)
            finally:
                os.close(copy)

    @property
    def writable(self) -> bool:
        """Whether the last attempt to write succeeded."""
        return self._failed_at is None

    def _append(self, data: bytes, wait_s: float) -> bool | None:
        """Write one record; None when another thread is held up for so many seconds, -1 for ever.

        An interrupt may come between the taking of a lock and the note of it: who owned nothing before lets go then.
        `with` would leave no such gap, and cannot be given a time.
        """
        lock, held = self._lock, False
        inside = lock._is_owned()  # type: ignore[attr-defined]  # noqa: SLF001 (no public name)
        try:
            held = lock.acquire(True, wait_s)
            if not held:
                return None
            if self._switching:  # a finalizer of the host ran inside our own rotation, on this thread
                self._late.append(data)
                return True
            began = self._clock()
            written = self._write(data, began)
            took = self._clock() - began
        finally:
            if held or (not inside and lock._is_owned()):  # type: ignore[attr-defined]  # noqa: SLF001 (no public name)
                lock.release()
        if took >= LIMIT_S:
            self._backlog.begin(took, stalls=False)
        if self._news:
            self._tell()
        return written

    def _put_off(self, data: bytes, refused: Refused | None) -> bool | None:
        if not self._backlog.begun:  # another thread is held up
            self._backlog.begin(LIMIT_S, stalls=True)
        return self._backlog.put(data, refused)

    def _ready(self) -> None:
        """Wait until nobody is held up."""
        with self._lock:
            pass

    def _land(self, lines: Sequence[bytes], ends: bool) -> bool:
        """Write what was put off, in one go, and finish the segment if told to."""
        with self._lock:
            kept = not lines or self._write(b"".join(lines), self._clock(), len(lines))
            if ends:
                self._finish()
        if self._news:
            self._tell()
        return kept

    def _finish(self) -> bool:
        """Finish the segment; False when another thread is held up by it."""
        lock, held = self._lock, False
        inside = lock._is_owned()  # type: ignore[attr-defined]  # noqa: SLF001 (see `_append`)
        try:
            held = lock.acquire(True, LIMIT_S)
            if held:
                self._leave()
                self._ended()
            return held
        finally:
            if held or (not inside and lock._is_owned()):  # type: ignore[attr-defined]  # noqa: SLF001 (see `_append`)
                lock.release()

    def _write(self, data: bytes, now: float, count: int = 1) -> bool:
        unlinked = now - self._looked_at >= LOOK_S and self._unlinked(now)
        if unlinked or self._fd < 0 or self._size + len(data) > self._segment_bytes:
            self._rotate()
        if self._fd >= 0 and self._put(data):
            self.appended += count
            return True
        self._drop(UNWRITABLE, count)
        return False

    def _put(self, data: bytes) -> bool:
        """One write; a partial one (a full disk) is taken back, or at least ended, so that it costs one record."""
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            return self._fail(error)
        if written == len(data):
            self._size += written
            return True
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)
        return self._fail(OSError("no space left for a whole record"))

    def _unlinked(self, now: float) -> bool:
        """Whether somebody removed the segment; who asks waits LOOK_S before asking again."""
        self._looked_at = now
        try:
            return os.fstat(self._fd).st_nlink == 0
        except OSError:
            return True

    def _rotate(self) -> None:
        if self._failed_at is not None and self._clock() - self._failed_at < self._retry_s:
            return
        self._switching = True
        try:
            self._leave()
            self._open()
        except OSError as error:
            self._leave()
            self._fail(error)
        finally:
            self._switching = False
        late, self._late = self._late, []
        for data in late:
            if not (self._fd >= 0 and self._put(data)):
                self._drop(UNWRITABLE)

    def _open(self) -> None:
        self.home.mkdir(mode=0o700, parents=not self._opened, exist_ok=True)
        folder = self.home / "journal"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._number += 1
        path = folder / f"{self.instance}-{self._number}.log"
        self._fd = files.open_file(path, _FLAGS)
        with contextlib.suppress(OSError):  # a file system without locks: its segments are not removed early either
            locks.attempt(self._fd)
        head = frame("head", self._head())
        self._size = os.write(self._fd, head)
        if self._size != len(head):
            files.remove(path, self._leave)
            raise OSError("no space left for a segment's first record")
        self._begun(path)
        self._opened = True
        if self._failed_at is not None:
            self._failed_at = None
            lost, self._lost_since = self._lost_since, 0
            self._put(frame("dropped", {"n": lost, "reason": UNWRITABLE, "kind": "any"}))
            self._news.append(
                ("the journal in %s is written again; %d records could not be kept in it meanwhile", self.home, lost)
            )

    def _head(self) -> dict[str, Any]:
        origin = self._origin
        try:
            resource = Redactor(rules=self._rules).attributes(origin.resource())
        except Exception:  # noqa: BLE001 (a resource is given by the host)
            resource = {}
        return {
            "v": VERSION,
            "instance": self.instance,
            "pid": os.getpid(),
            "run": origin.run,
            "service": origin.service,
            "at": time.time_ns(),
            "resource": resource,
            **({"lanes": dict(lanes)} if (lanes := origin.lanes()) else {}),
        }

    def _fail(self, error: OSError) -> bool:
        if self._failed_at is None:
            text = error.strerror or str(error)
            self._news.append(("the journal in %s cannot be written (%s); calls go on without it", self.home, text))
        self._failed_at = self._clock()
        self._leave()
        return False

    def _drop(self, reason: str, count: int = 1) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        if reason == UNWRITABLE:
            self._lost_since += count
        self._lost(reason, count)

    def _tell(self) -> None:
        """Say news outside the lock: the host's log handlers may come back to us."""
        news, self._news = self._news, []
        for text, *args in news:
            say(str(text), *args)

    def _leave(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _forget(self) -> None:
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside an append
        self._fd, self._size, self._number = -1, 0, 0
        self._opened = self._switching = False
        self._failed_at = None
        self._looked_at = 0.0
        self._lost_since = 0
        self._late = []
        self._news = []

    def _in_child(self) -> None:
        """After a fork: give up the parent's segment (closing our copy keeps its lock) and begin as a new writer."""
        opened, fd = self._opened, self._fd
        self._forget()
        self._opened = opened
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.instance, self.appended, self.dropped = self._new_id(), 0, {}


def line_of(kind: Kind, body: dict[str, Any]) -> bytes | None:
    """A record as a line, its values cleaned where JSON does not take them; None when even that fails."""
    try:
        return frame(kind, body)
    except Exception:  # noqa: BLE001 (a value's own methods run here)
        return _cleaned(kind, body)


def _cleaned(kind: Kind, body: dict[str, Any]) -> bytes | None:
    """A record whose values had to be cleaned first, or None when even that fails."""
    sanitiser = Sanitiser()
    try:
        return frame(kind, {**sanitiser.attributes(body), "cut": sanitiser.cut})
    except Exception:  # noqa: BLE001 (dropped and counted)
        return None
