"""A file of lines that several threads and processes append to and rotate; no line is torn, split or lost to that."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from spanwatch.store import files, locks

_TRIES, _PAUSE_S = 40, 0.0005  # to get the lock, 20 ms in all


class LineFile:
    """Appends lines by one write each; opened at the first, and never before.

    The standard library's handler rotates. It knows nothing of other processes, so who writes holds a lock on the file
    and first looks whether another has rotated it away. A lock that stays taken (its process was stopped, the file
    system has none) is not waited for: a line is one write and whole without it, only rotation then waits. Windows
    rotates no open file: there the lock is on `.name.lock` beside it, and nothing stays open between two lines.

    Args:
        path: The file; its directory is made when missing.
        max_bytes: Size at which it is rotated; 0 never.
        backups: How many rotated files are kept, as `path.1`, `path.2`, ...
    """

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        self._max_bytes = max_bytes
        self._handler = RotatingFileHandler(
            path, maxBytes=max_bytes, backupCount=backups, encoding="ascii", errors="backslashreplace", delay=True
        )
        self._path, self._pid = Path(self._handler.baseFilename), os.getpid()

    def append(self, line: str) -> None:
        """Write one line that holds no newline.

        Raises:
            OSError: it could not be written whole.
        """
        data = line.encode("ascii", "backslashreplace") + b"\n"
        handler = self._handler
        handler.acquire()
        try:
            with self._mine() if files.REMOVES_OPEN_FILES else self._closed_after() as (size, locked):
                if locked and self._max_bytes and size and size + len(data) > self._max_bytes:
                    with contextlib.suppress(
                        OSError
                    ):  # the place may refuse new names: the file grows, no line is lost
                        handler.doRollover()
                self._put(data, locked=locked)
        finally:
            handler.release()

    def close(self) -> None:
        """Close the file; a later line opens it again."""
        self._handler.acquire()
        try:
            self.abandon()
        finally:
            self._handler.release()

    def abandon(self) -> None:
        """Close the file, taking no lock: for finalizers, which may run anywhere."""
        stream, self._handler.stream = self._handler.stream, None
        if stream is not None:
            stream.close()

    @contextmanager
    def _mine(self) -> Iterator[tuple[int, bool]]:
        """The size of the file, and whether it is locked; what we have open may have been rotated away by another."""
        while True:
            held = os.dup(self._opened())  # holds the lock across a roll-over
            locked = _locked(held)
            try:
                status = os.fstat(held)
                if _same(status, self._path):
                    yield status.st_size, locked
                    return
            finally:
                if locked:
                    locks.release(held)
                os.close(held)
            self.abandon()

    @contextmanager
    def _closed_after(self) -> Iterator[tuple[int, bool]]:
        """The size of the file, and whether it is locked, where what is open cannot be renamed."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        held = files.open_file(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT)
        locked = _locked(held)
        try:
            yield os.fstat(self._opened()).st_size, locked
        finally:
            self.abandon()
            if locked:
                locks.release(held)
            os.close(held)

    def _opened(self) -> int:
        if self._pid != os.getpid():  # a lock taken on what both sides of a fork have open keeps neither out
            self._pid = os.getpid()
            self.abandon()
        if self._handler.stream is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handler.stream = self._handler._open()  # noqa: SLF001 (the handler's own way to open its file)
        return self._handler.stream.fileno()

    def _put(self, data: bytes, *, locked: bool) -> None:
        """One write, as a rule; a partial one is taken back, so that the next line starts on its own."""
        descriptor = self._opened()
        written = os.write(descriptor, data)
        if written != len(data):
            if locked:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(f"{self._path} took {written} of {len(data)} bytes; is the disk full?")


def _locked(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            if locks.attempt(descriptor):
                return True
        except OSError:
            return False
        time.sleep(_PAUSE_S)
    return False


def _same(status: os.stat_result, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino)
