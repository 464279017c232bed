"""The home directory: private (0700, files 0600), and never reached through a symbolic link that somebody left there.

.spanwatch/
store.db              the projection (SQLite, WAL)
store.db.corrupt-<n>  damaged ones, set aside
journal/<instance>-<n>.log
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from spanwatch.core.errors import StoreError

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
        descriptor = os.open(database_path(home), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
    except OSError as error:
        raise StoreError(f"the store in {home} cannot be written: {error.strerror}") from error
    check(home)


def check(home: Path) -> None:
    """Refuse files of the database that are no regular files.

    Raises:
        StoreError: one of them is a symbolic link, a directory or a device.
    """
    for path in database_files(home):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise StoreError(f"{path} is not a regular file; move it away")


def database_files(home: Path) -> list[Path]:
    """The database with the files that SQLite keeps beside it, there or not."""
    return [home / f"{DATABASE}{suffix}" for suffix in ("", *SIDE_FILES)]


def set_aside_files(home: Path) -> list[Path]:
    """Damaged databases that were moved out of the way, with their side files."""
    return sorted(home.glob(f"{DATABASE}.corrupt-*"))
