"""Locks on open files, between processes: `flock` on POSIX, on Windows one byte that no file reaches.

A lock belongs to what was opened, not to the process: a second `open` of the same file is kept out by the first, in the
same process too, and the lock is gone when the descriptor is closed or the process ends, however that ends.
"""

from __future__ import annotations

import errno
import os
import sys
import time

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FAR_AWAY = 1 << 40  # Windows keeps others from reading locked bytes: what is locked lies behind the end of every file
_PAUSE_S = 0.01
_TAKEN = errno.EACCES if sys.platform == "win32" else errno.EWOULDBLOCK


def attempt(descriptor: int, *, shared: bool = False) -> bool:
    """Lock it unless another holds the lock; whether that was done. Windows has no shared locks: all are exclusive.

    Raises:
        OSError: this file system has no locks.
    """
    try:
        if sys.platform == "win32":
            _far_away(descriptor, msvcrt.LK_NBLCK)
        else:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno == _TAKEN:
            return False
        raise
    return True


def acquire(descriptor: int, *, shared: bool = False) -> None:
    """Lock it, waiting as long as another holds the lock.

    Raises:
        OSError: this file system has no locks.
    """
    if sys.platform == "win32":
        while not attempt(descriptor):
            time.sleep(_PAUSE_S)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def release(descriptor: int) -> None:
    """Give a lock back that this descriptor holds; closing it does so too.

    Raises:
        OSError: it holds none.
    """
    if sys.platform == "win32":
        _far_away(descriptor, msvcrt.LK_UNLCK)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


if sys.platform == "win32":

    def _far_away(descriptor: int, mode: int) -> None:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, FAR_AWAY, os.SEEK_SET)
            msvcrt.locking(descriptor, mode, 1)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
