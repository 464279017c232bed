"""The journal's segments on disk: listing, reading whole lines, and removing those that nobody writes any more."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spanwatch.core.records import framed
from spanwatch.store import files, locks
from spanwatch.store.home import journal_path

_NAME = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,17})\.log")
_WITHOUT_LOCKS_S = 86_400.0  # on a file system without locks, a segment untouched for this long is finished


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the journal, as it was when it was listed."""

    path: Path
    instance: str
    number: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of a segment from `start` on. `torn` is what follows them: no line yet, or never."""

    start: int
    data: bytes
    torn: int


def file_name(instance: str, number: int) -> str:
    """What a segment is called."""
    return f"{instance}-{number}.log"


def segments(home: Path) -> list[Segment]:
    """The journal's segments, in the order in which they were last written; what is no segment is left alone."""
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(journal_path(home)) as entries:
        for entry in entries:
            name = _NAME.fullmatch(entry.name)
            if name is None:
                continue
            with contextlib.suppress(OSError):
                status = os.lstat(entry.path)  # what Windows keeps in a directory of a file being written is old
                if stat.S_ISREG(status.st_mode):
                    path = Path(entry.path)
                    found.append(Segment(path, name[1], int(name[2]), status.st_size, status.st_mtime_ns))
    return sorted(found, key=lambda segment: (segment.changed_ns, segment.instance, segment.number))


@contextlib.contextmanager
def opened(segment: Segment, *, write: bool = False) -> Iterator[int]:
    """A file descriptor of the segment.

    Raises:
        OSError: it is gone, or not ours to read.
    """
    descriptor = files.open_file(segment.path, os.O_RDWR if write else os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int, start: int, size: int) -> Piece:
    """Whole lines from `start` on, about `size` bytes of them, more when one line is longer."""
    while True:
        data = files.read_at(descriptor, size, start)
        end = data.rfind(b"\n") + 1
        if end or len(data) < size:
            return Piece(start, data[:end], len(data) - end)
        size *= 4


def blank(size: int, was: str = "span") -> bytes:
    """A sound line of exactly `size` bytes that says only what kind it `was`: every reader steps over it."""
    return framed(f'{{"k":"blank","was":"{was}"}}'.ljust(size - 10))


def is_removed(descriptor: int) -> bool:
    """Whether another process has stored all of it and removed it since it was opened."""
    return os.fstat(descriptor).st_nlink == 0


def is_finished(descriptor: int, segment: Segment) -> bool:
    """Whether nobody will append to it: its writer's lock is gone. (It locks before it writes its first byte.)."""
    try:
        return locks.attempt(descriptor)
    except OSError:
        return time.time() - segment.changed_ns / 1e9 > _WITHOUT_LOCKS_S
