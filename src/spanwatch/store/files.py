"""Files as every platform has them: opened as bytes, for no child, through no link; read and written at a place.

POSIX has a call for each of these; where Windows has none, the next best stands here, and what that costs.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

if sys.platform == "win32":
    _ALWAYS = os.O_BINARY | os.O_NOINHERIT
else:
    import fcntl

    _ALWAYS = os.O_NOFOLLOW | os.O_CLOEXEC

REMOVES_OPEN_FILES = sys.platform != "win32"  # and renames them


def open_file(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a file that is no symbolic link; a new one is its owner's only.

    On Windows who can read a new file is inherited from the directory, and a link is looked for before, not at once.

    Raises:
        OSError: as `os.open`; ELOOP for a link.
    """
    if sys.platform == "win32" and not flags & os.O_EXCL and path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return os.open(path, flags | _ALWAYS, mode)


def read_at(descriptor: int, size: int, start: int) -> bytes:
    """Up to `size` bytes from `start` on. On Windows one thread at a time may use the descriptor."""
    if sys.platform == "win32":
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, size)
    return os.pread(descriptor, size, start)


def write_at(descriptor: int, data: bytes, start: int) -> int:
    """Write at `start`; how many bytes were. On Windows one thread at a time may use the descriptor."""
    if sys.platform == "win32":
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.write(descriptor, data)
    return os.pwrite(descriptor, data, start)


def to_disk(descriptor: int) -> None:
    """Have what was written on the disk itself, for a power cut.

    Raises:
        OSError: the disk refuses.
    """
    if sys.platform == "linux":
        os.fdatasync(descriptor)
    elif sys.platform == "darwin":
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync stops at the drive's own cache there
        except OSError:  # a file system that has no such thing, as over a network
            os.fsync(descriptor)
    else:
        os.fsync(descriptor)


def remove(path: Path, let_go: Callable[[], object]) -> bool:
    """Remove a file that we hold open, and let go of it; whether it is gone.

    It goes before our lock does, so that nobody takes over what is about to go. Windows removes no open file: there we
    let go first, and when another has it open meanwhile it stays, for whoever comes by last.

    Raises:
        OSError: it cannot be removed. It is let go of all the same.
    """
    if REMOVES_OPEN_FILES:
        try:
            path.unlink(missing_ok=True)
        finally:
            let_go()
        return True
    let_go()
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        return False
    return True
