"""The SQLite ledger's file: private, bounded in time and size, and honest when it cannot be used."""

import contextlib
import os
import sqlite3
import stat
import threading
import time

import pytest

from spanwatch.core.budgets import Refusal
from spanwatch.core.errors import LedgerUnavailable, SpanwatchError
from spanwatch.store.ledger import SQLiteLedger, statements
from spanwatch.store.ledger.sqlite import SWEEP_EVERY
from tests.store.ledger.rig import DAY, NOW, SECOND, START, call_id, claim, counter, spent_and_held


@pytest.fixture
def ledger(tmp_path):
    made = SQLiteLedger(tmp_path / "home", busy_s=0.2)
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "budgets.db"


@contextlib.contextmanager
def locked(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_the_file_and_its_side_files_are_for_their_owner_only(ledger, path):
    ledger.settle([claim(1)], call_id(), NOW)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["budgets.db", "budgets.db-shm", "budgets.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_settled_is_there_for_the_next_process(ledger, path):
    one = call_id()
    ledger.reserve([claim(60)], one, NOW)
    ledger.settle([claim(20)], call_id(), NOW)
    other = SQLiteLedger(path.parent)
    assert spent_and_held(other) == (20, 60)
    assert isinstance(other.reserve([claim(21)], call_id(), NOW), Refusal)
    assert other.settle([claim(20)], one, NOW).first is True
    assert spent_and_held(ledger) == (40, 0)
    other.close()


def test_a_lock_that_others_hold_for_too_long_is_told_in_time(ledger, path):
    ledger.settle([claim(1)], call_id(), NOW)
    with locked(path):
        began = time.monotonic()
        with pytest.raises(LedgerUnavailable, match=r"budgets.db was locked by other processes for 0.2 s; try again"):
            ledger.reserve([claim(1)], call_id(), NOW)
        assert 0.15 < time.monotonic() - began < 5
        assert spent_and_held(ledger) == (1, 0)  # a reader is not held up
    assert issubclass(LedgerUnavailable, SpanwatchError)
    assert ledger.settle([claim(1)], call_id(), NOW).first is True


def test_a_thread_that_waits_for_another_waits_no_longer_than_the_timeout(ledger):
    ledger.settle([claim(1)], call_id(), NOW)
    entered, leave = threading.Event(), threading.Event()

    def occupy():
        with ledger._lock:
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=occupy)
    thread.start()
    assert entered.wait(30)
    try:
        with pytest.raises(LedgerUnavailable, match=r"was in use by other threads for 0.2 s"):
            ledger.settle([claim(1)], call_id(), NOW)
    finally:
        leave.set()
        thread.join()


def test_a_step_that_fails_is_undone_as_a_whole(ledger, monkeypatch):
    ledger.settle([claim(1)], call_id(), NOW)
    one = call_id()
    ledger.reserve([claim(50)], one, NOW)

    def fail(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(statements, "remember", fail)
        with pytest.raises(LedgerUnavailable, match=r"cannot be used \(database or disk is full\); make it writable"):
            ledger.settle([claim(20)], one, NOW)
    assert spent_and_held(ledger) == (1, 50)
    assert ledger.settle([claim(20)], one, NOW).first is True
    assert spent_and_held(ledger) == (21, 0)


def test_a_file_that_is_no_database_is_told_and_not_touched(ledger, path):
    path.parent.mkdir()
    path.write_bytes(b"not a database, but somebody's notes" * 100)
    with pytest.raises(LedgerUnavailable, match=r"file is not a database.*move it away to start a new one"):
        ledger.reserve([claim(1)], call_id(), NOW)
    assert path.read_bytes().startswith(b"not a database")


def test_a_symbolic_link_is_not_followed(ledger, path, tmp_path):
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerUnavailable, match="is not a regular file"):
        ledger.reserve([claim(1)], call_id(), NOW)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_of_a_newer_version_is_refused(ledger, path):
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(LedgerUnavailable, match=r"is of a newer version \(9\); this release reads version 1"):
        ledger.reserve([claim(1)], call_id(), NOW)


def test_a_file_that_was_moved_away_gets_no_more_entries(ledger, path):
    ledger.settle([claim(1)], call_id(), NOW)
    for name in ("budgets.db", "budgets.db-wal", "budgets.db-shm"):
        (path.parent / name).rename(path.parent / f"old-{name}")
    ledger.settle([claim(5)], call_id(), NOW)
    other = SQLiteLedger(path.parent)
    assert spent_and_held(other) == spent_and_held(ledger) == (5, 0)
    other.close()


def test_old_accounts_and_call_ids_are_swept_away_in_passing(ledger, path):
    def rows():
        with contextlib.closing(sqlite3.connect(path)) as db:
            return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("accounts", "settled")]

    for user in range(5):
        ledger.settle([claim(1, user=f"u-{user}")], call_id(), NOW)
    later = START + 3 * DAY
    for _ in range(SWEEP_EVERY):
        ledger.settle([claim(0, at=later)], call_id(), later * SECOND)
    assert rows() == [1, SWEEP_EVERY]


def test_the_single_scope_of_many_is_found_by_the_key(ledger, path):
    ledger.settle([claim(1)], call_id(), NOW)
    with contextlib.closing(sqlite3.connect(path)) as db:
        where = f"{statements._LIVE} AND {' AND '.join(statements._OF)}"
        plan = db.execute(
            f"EXPLAIN QUERY PLAN {statements._ROWS.format(tally=statements._TALLY, where=where)}",
            {"now": START, "budget": "daily", "scope": "user.id=u-1"},
        ).fetchall()
    assert "USING PRIMARY KEY (budget=? AND scope=?" in plan[0][-1]


def test_a_closed_ledger_opens_again_by_itself(ledger):
    ledger.settle([claim(1)], call_id(), NOW)
    ledger.close()
    ledger.close()
    assert ledger.settle([claim(1)], call_id(), NOW).first is True
    assert spent_and_held(ledger) == (2, 0)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_closes_the_file_and_both_sides_open_it_again(ledger):
    ledger.settle([claim(1)], call_id(), NOW)
    child = os.fork()
    if child == 0:
        os._exit(0 if ledger._db is None and ledger._left_behind == [] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ledger.standing(counter()).tally.spent_nano == 1


def test_two_threads_that_fork_at_once_leave_the_ledger_usable_though_one_waited_in_vain(tmp_path):
    ledger = SQLiteLedger(tmp_path / "home", busy_s=0.2)  # not closed, which would wait for ever where this fails

    def fork():
        ledger._before_fork()
        ledger._after_in_parent()

    ledger._before_fork()
    other = threading.Thread(target=fork)
    other.start()
    other.join(10)
    ledger._after_in_parent()
    assert ledger.settle([claim(1)], call_id(), NOW).first
