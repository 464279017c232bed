"""Before a reader reads: the store caught up with the journal, in place or, where nothing may be written, in a copy."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spanwatch.core.errors import StoreError
from spanwatch.store import database, segments
from spanwatch.store import home as places
from spanwatch.store.projection import catch_up, project, waiting


@contextlib.contextmanager
def caught_up(home: Path) -> Iterator[Path]:
    """The directory to read from: `home` itself after a projection, else a copy of it that is gone after the block.

    Raises:
        StoreError: there is no store here, it cannot be read, or what the journal holds can be stored nowhere.
    """
    if not places.exists(home):
        raise StoreError(database.nothing_in(home))
    with contextlib.ExitStack() as stack:
        yield _caught_up(home, stack)


def _caught_up(home: Path, stack: contextlib.ExitStack) -> Path:
    try:
        project(home)
    except (OSError, sqlite3.Error, StoreError) as error:
        if isinstance(error, StoreError) and not isinstance(error.__cause__, OSError):
            raise
        if places.database_path(home).exists() and not waiting(home):
            return home
        try:
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spanwatch-")))
            if places.database_path(home).exists():
                database.copy(home, copy)
            with database.writing(copy) as db:
                for segment in segments.segments(home):
                    with contextlib.suppress(OSError):
                        catch_up(db, segment)
        except (OSError, sqlite3.Error) as again:
            raise StoreError(f"the journal in {home} cannot be stored ({error}), nor in a copy ({again})") from again
        return copy
    return home
