"""The home directory: private (0700, files 0600), and never reached through a symbolic link that somebody left there.

.spanwatch/
store.db                     the projection (SQLite, WAL)
store.db.corrupt-<n>         damaged ones, set aside
store.lock                   held while one is set aside
journal/<instance>-<n>.log   what processes wrote, in segments
journal/<instance>-<n>.owed  there while a collector waits for that segment
journal/account              what became of the records of segments that are gone
budgets.db                   the ledger of budgets (SQLite)
charges/<instance>.log       charges that a ledger has not taken yet
alerts.db                    alerts, who was told, silences, the history
claims.db                    feedback tokens and idempotency keys that were used, as digests
feedback.key                 what feedback tokens are made with
stack/                       what `spanwatch stack` runs
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from spanwatch.core.errors import StoreError
from spanwatch.store import files

DATABASE = "store.db"
JOURNAL = "journal"
SIDE_FILES = ("-wal", "-shm")


def database_path(home: Path) -> Path:
    """Where the projection lies."""
    return home / DATABASE


def journal_path(home: Path) -> Path:
    """Where the journal's segments lie."""
    return home / JOURNAL


def exists(home: Path) -> bool:
    """Whether anything was ever kept here."""
    return database_path(home).exists() or journal_path(home).is_dir()


def prepare(home: Path) -> None:
    """Make the directory and an empty database file for their owner only.

    Raises:
        StoreError: the directory cannot be made or written, or something else lies in the database's place.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_file(database_path(home))
        check(home)
        _check_writable(database_path(home))
    except OSError as error:
        raise StoreError(f"the store in {home} cannot be written: {error.strerror}") from error


def make_file(path: Path) -> None:
    """Make an empty database file for its owner only, where there is none.

    One that is there is not opened: closing any descriptor of it would drop SQLite's locks in this whole process.

    Raises:
        OSError: it cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.close(files.open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))


def check(home: Path) -> None:
    """Refuse files of the database that are no regular files.

    Raises:
        StoreError: one of them is a symbolic link, a directory or a device.
    """
    for path in database_files(home):
        with contextlib.suppress(FileNotFoundError):  # the write-ahead files come and go
            if not stat.S_ISREG(os.lstat(path).st_mode):
                raise StoreError(f"{path} is not a regular file; move it away")


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def database_files(home: Path) -> list[Path]:
    """The database with the files that SQLite keeps beside it, there or not."""
    return [home / f"{DATABASE}{suffix}" for suffix in ("", *SIDE_FILES)]


def set_aside_files(home: Path) -> list[Path]:
    """Damaged databases that were moved out of the way, with their side files."""
    return sorted(home.glob(f"{DATABASE}.corrupt-*"))
