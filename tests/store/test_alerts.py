"""The book of alerts, read back: what this version cannot read costs nothing else."""

import contextlib
import sqlite3

from spanwatch.store.alerts import DATABASE, AlertBook, Change
from tests.notify.rig import T0, alert


def test_a_history_that_a_later_version_wrote_into_is_told_without_what_only_that_one_knows(tmp_path):
    book, fired = AlertBook(tmp_path), alert()
    book.save("HighErrorRate", [fired], [fired], T0)
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as db, db:
        db.execute("""INSERT INTO history (at, body) VALUES (?, '{"state": "dreaming", "labels": []}')""", (T0 + 1,))
    assert book.history() == [Change(T0, fired)]
    book.close()
