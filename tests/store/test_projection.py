"""The store catches up with the journal: each record exactly once, whatever happens in between."""

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time

import pytest

from spanwatch.core.call import Cost, CostStatus, Usage
from spanwatch.core.errors import StoreError
from spanwatch.core.records import call_body, frame
from spanwatch.store import database, home
from spanwatch.store.projection import project
from spanwatch.store.summary import summary
from tests.store.rig import SECOND, START_NS, Segment, call, keep, new_id, rows, segment, span, unknown

COUNT = "SELECT count(*) FROM {}"


def count(home, table):
    return rows(home, COUNT.format(table))[0][0]


def segments(home):
    return list((home / "journal").iterdir())


def test_every_record_is_stored_and_a_finished_segment_removed(tmp_path):
    keep(tmp_path, call(), call(), spans=[span()], logs=[{"ts": START_NS, "body": "hello"}])
    done = project(tmp_path)
    assert (done.records, done.damaged, done.removed) == (4, 0, 1)
    assert [count(tmp_path, table) for table in ("calls", "spans", "logs")] == [2, 1, 1]
    assert segments(tmp_path) == []
    assert count(tmp_path, "segments") == 0
    assert project(tmp_path).records == 0


def test_what_is_kept_is_for_its_owner_only(tmp_path):
    home = tmp_path / "home"
    keep(home, call())
    with database.writing(home):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir() if path.is_file()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_nothing_is_made_where_nothing_is(tmp_path):
    assert project(tmp_path / "nowhere").records == 0
    assert list(tmp_path.iterdir()) == []


def test_a_segment_that_is_still_written_is_read_on_from_where_it_was(tmp_path):
    writer = Segment(tmp_path, alive=True)
    for n in range(3):
        writer.write("call", call_body(call()))
        assert project(tmp_path).records == 1
        assert count(tmp_path, "calls") == n + 1
    assert len(segments(tmp_path)) == 1
    writer.close()
    assert project(tmp_path).removed == 1


def test_a_segment_without_a_first_byte_is_left_to_its_writer(tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir(parents=True)
    path = folder / f"{new_id()}-1.log"
    path.touch()
    project(tmp_path)
    assert path.exists()


@pytest.mark.parametrize(
    "name", ["notes.txt", "a-1.log", f"{'A' * 32}-1.log", f"{'a' * 32}-0.log", f"{'a' * 32}-1.log.bak"]
)
def test_what_is_no_segment_is_left_alone(tmp_path, name):
    keep(tmp_path, call())
    (tmp_path / "journal" / name).write_bytes(frame("call", call_body(call())))
    assert project(tmp_path).records == 1
    assert (tmp_path / "journal" / name).exists()


def test_a_symbolic_link_in_the_journal_is_neither_read_nor_removed(tmp_path):
    keep(tmp_path / "other", call())
    (target,) = segments(tmp_path / "other")
    home = tmp_path / "home"
    keep(home, call())
    link = home / "journal" / f"{new_id()}-1.log"
    link.symlink_to(target)
    assert project(home).records == 1
    assert link.is_symlink()
    assert target.exists()


@pytest.mark.parametrize("name", ["store.db", "store.db-wal"])
def test_a_symbolic_link_in_the_databases_place_is_refused(tmp_path, name):
    target = tmp_path / "target"
    target.write_text("mine")
    home = tmp_path / "home"
    keep(home, call())
    (home / name).symlink_to(target)
    with pytest.raises(StoreError):
        project(home)
    assert target.read_text() == "mine"


def test_a_record_that_comes_twice_is_stored_once(tmp_path):
    one, two = call(), span()
    keep(tmp_path, one, one, spans=[two, two])
    keep(tmp_path, one, spans=[two])
    project(tmp_path)
    assert (count(tmp_path, "calls"), count(tmp_path, "spans")) == (1, 1)
    assert summary(tmp_path).sums.calls == 1


def test_usage_in_a_later_record_of_the_same_call_is_taken_once(tmp_path):
    late = call()
    early = call(call_id=late.call_id, trace_id=late.trace_id, **unknown())
    again = call(
        call_id=late.call_id, trace_id=late.trace_id, usage=Usage(input_tokens=9), cost=Cost(9, CostStatus.PRICED)
    )
    keep(tmp_path, early)
    project(tmp_path)
    assert summary(tmp_path).sums.unpriced == 1
    keep(tmp_path, late, again)
    project(tmp_path)
    sums = summary(tmp_path).sums
    assert (sums.calls, sums.unpriced, sums.nano_usd, sums.input_tokens) == (1, 0, 1_000, 100)


def test_usage_in_a_later_record_of_the_same_batch_is_taken(tmp_path):
    late = call()
    keep(tmp_path, call(call_id=late.call_id, trace_id=late.trace_id, **unknown()), late)
    project(tmp_path)
    sums = summary(tmp_path).sums
    assert (sums.calls, sums.unpriced, sums.nano_usd, sums.without_usage) == (1, 0, 1_000, 0)


@pytest.mark.parametrize("order", [("began", "fetched"), ("fetched", "began"), ("both",)])
def test_a_fetched_response_settles_the_call_that_began_it_once(tmp_path, order):
    began = call(response_id="resp_1", response_model=None, **unknown())
    fetched = call(operation="fetch_response", response_id="resp_1", settles="resp_1", started_ns=START_NS + SECOND)
    again = call(operation="fetch_response", response_id="resp_1", settles="resp_1", started_ns=START_NS + 2 * SECOND)
    for step in order:
        keep(tmp_path, *{"began": [began], "fetched": [fetched, again], "both": [began, fetched, again]}[step])
        project(tmp_path)
    sums = summary(tmp_path).sums
    assert (sums.calls, sums.unpriced, sums.nano_usd, sums.input_tokens, sums.output_tokens) == (1, 0, 1_000, 100, 10)
    kept = rows(tmp_path, "SELECT operation, has_usage, nano_usd FROM calls ORDER BY started_ns")
    assert kept == [("chat", 1, 1_000), ("fetch_response", 0, None), ("fetch_response", 0, None)]


def test_damaged_lines_are_counted_and_cost_nothing_else(tmp_path):
    with segment(tmp_path) as writer:
        writer.write("call", call_body(call()))
        writer.raw(b"00000000 {}\nrubbish\n\n")
        writer.write("call", {"k": "call", "operation": "chat"})
        writer.write("call", {**call_body(call()), "status": "on fire"})
        writer.write("span", {"t": "x", "s": "y", "n": "z", "b": 1, "e": 2})
        writer.write("span", {**span(), "b": "yesterday"})
        writer.write("log", {"ts": 1.5})
        writer.write("shape of things to come", {})
        writer.write("call", call_body(call()))
    done = project(tmp_path)
    assert (done.records, done.damaged) == (2, 8)
    assert summary(tmp_path).losses == (("journal_damaged", 8),)


def test_losses_that_the_journal_tells_of_are_kept(tmp_path):
    with segment(tmp_path) as writer:
        writer.write("dropped", {"n": 7, "reason": "journal_unwritable", "kind": "any"})
    project(tmp_path)
    assert summary(tmp_path).losses == (("journal_unwritable", 7),)


def test_a_torn_tail_waits_for_its_writer_and_is_one_loss_without_one(tmp_path):
    line = frame("call", call_body(call()))
    writer = Segment(tmp_path, alive=True)
    writer.raw(line[:50])
    assert project(tmp_path).damaged == 0
    writer.raw(line[50:] + line[:50])
    assert (project(tmp_path).damaged, count(tmp_path, "calls")) == (0, 1)
    writer.close()
    done = project(tmp_path)
    assert (done.damaged, done.removed) == (1, 1)
    assert summary(tmp_path).losses == (("journal_damaged", 1),)


def test_a_segment_cut_at_any_byte_costs_at_most_its_last_record(tmp_path):
    whole = b"".join(frame("call", call_body(call(call_id=f"{n:032x}"))) for n in range(2))
    writer = Segment(tmp_path / "whole")
    writer.raw(whole)
    data = writer.path.read_bytes()
    writer.close()
    ends = [n + 1 for n, byte in enumerate(data) if byte == 10]
    for size in range(0, len(data), 7):
        home = tmp_path / str(size)
        (home / "journal").mkdir(parents=True)
        (home / "journal" / writer.path.name).write_bytes(data[:size])
        done = project(home)
        lines = sum(end <= size for end in ends)
        assert (done.records, done.damaged) == (max(lines - 1, 0), int(size not in {0, *ends}))
        shutil.rmtree(home)


def test_flipped_bits_cost_the_lines_they_hit_and_no_more(tmp_path):
    chance = random.Random(8)
    writer = Segment(tmp_path / "whole")
    writer.raw(b"".join(frame("call", call_body(call())) for _ in range(40)))
    data = writer.path.read_bytes()
    writer.close()
    for attempt in range(60):
        flipped = bytearray(data)
        for _ in range(3):
            flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        home = tmp_path / str(attempt)
        (home / "journal").mkdir(parents=True)
        (home / "journal" / writer.path.name).write_bytes(flipped)
        done = project(home)
        assert 40 - 6 <= done.records <= 40
        assert done.records + done.damaged >= 37
        shutil.rmtree(home)


def test_hostile_values_are_stored_and_cost_the_others_nothing(tmp_path):
    hostile = [
        call(user_id="\ud83d", agent="a\x00b\x1b[31m"),
        call(usage=Usage(input_tokens=1 << 80, output_tokens=-(1 << 70), other=(("web\udc00", 1 << 90),))),
        call(error_type="x" * 100_000),
        call(cost=Cost(1 << 70, CostStatus.PRICED)),
        call(duration_ns=-5),
        call(duration_ns=1 << 61),
    ]
    with segment(tmp_path) as writer:
        for one in [*hostile, call()]:
            writer.write("call", call_body(one))
        writer.write("call", {**call_body(call()), "user_id": {"a": [1]}, "server_port": "x", "trace_id": 5})
        writer.write("span", span(n="\ud83d", a={"user.id": ["x"]}))
        writer.write("span", span(n=None))
        writer.write("log", {"ts": START_NS, "body": {"deep": ["\udc00"]}, "t": 7})
    done = project(tmp_path)
    assert (done.records, done.damaged) == (11, 1)
    sums = summary(tmp_path).sums
    assert sums.calls == 8
    assert sums.nano_usd == 7_000
    assert sums.unpriced == 1


def test_a_database_that_is_none_is_set_aside_and_built_from_the_journal(tmp_path, caplog):
    writer = Segment(tmp_path, alive=True)
    writer.write("call", call_body(call()))
    (tmp_path / "store.db").write_bytes(b"this is no database, " * 500)
    assert project(tmp_path).records == 1
    assert (tmp_path / "store.db.corrupt-1").read_bytes().startswith(b"this is no database")
    assert summary(tmp_path).sums.calls == 1
    (record,) = caplog.records
    assert "store.db.corrupt-1" in record.getMessage()
    writer.close()


def test_a_database_damaged_inside_is_set_aside_too(tmp_path):
    keep(tmp_path, *(call() for _ in range(300)))
    project(tmp_path)
    data = bytearray((tmp_path / "store.db").read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    (tmp_path / "store.db").write_bytes(data)
    keep(tmp_path, call())
    assert project(tmp_path).records == 1
    assert summary(tmp_path).sums.calls == 1


def test_a_vanished_database_is_made_again(tmp_path):
    writer = Segment(tmp_path, alive=True)
    writer.write("call", call_body(call()))
    project(tmp_path)
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    assert project(tmp_path).records == 1
    writer.close()


PROJECT = "import sys; from pathlib import Path; from spanwatch.store.projection import project\n"


def test_four_processes_at_once_store_each_call_exactly_once(tmp_path):
    for _ in range(6):
        keep(tmp_path, *(call() for _ in range(300)), spans=[span() for _ in range(100)])
    script = PROJECT + "print(project(Path(sys.argv[1]), batch_bytes=20_000).records)"
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    stored = [int(process.communicate(timeout=60)[0]) for process in running]
    assert all(process.returncode == 0 for process in running)
    assert (count(tmp_path, "calls"), count(tmp_path, "spans")) == (1800, 600)
    assert sum(stored) == 2400
    assert summary(tmp_path).sums.calls == 1800
    assert segments(tmp_path) == []


def test_a_projector_killed_in_the_middle_costs_nothing(tmp_path):
    for _ in range(8):
        keep(tmp_path, *(call() for _ in range(250)))
    script = PROJECT + "project(Path(sys.argv[1]), batch_bytes=5_000)"
    for attempt in range(6):
        process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
        time.sleep(0.12 + 0.03 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
    project(tmp_path)
    assert count(tmp_path, "calls") == 2000
    sums = summary(tmp_path).sums
    assert (sums.calls, sums.nano_usd) == (2000, 2_000_000)


def test_a_database_of_a_newer_version_is_refused_in_plain_words(tmp_path):
    keep(tmp_path, call())
    with database.writing(tmp_path) as db:
        db.execute("PRAGMA user_version = 99")
    for action in (project, summary):
        with pytest.raises(StoreError, match=r"schema version 99 .* upgrade spanwatch"):
            action(tmp_path)
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_a_full_disk_is_an_error_for_the_caller_and_loses_nothing(tmp_path, monkeypatch):
    keep(tmp_path, *(call() for _ in range(500)))
    connect = database._connect

    def small(uri):
        db = connect(uri)
        db.execute("PRAGMA max_page_count = 60")
        return db

    monkeypatch.setattr(database, "_connect", small)
    with pytest.raises(database.sqlite3.OperationalError, match="full"):
        project(tmp_path)
    monkeypatch.setattr(database, "_connect", connect)
    project(tmp_path)
    assert count(tmp_path, "calls") == 500
    assert summary(tmp_path).sums.calls == 500


def test_preparing_a_home_leaves_the_locks_of_an_open_database_alone(tmp_path):
    program = """
        import sqlite3, sys
        try:
            sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            sys.exit(3)
    """
    home.prepare(tmp_path)
    path = home.database_path(tmp_path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    home.prepare(tmp_path)
    other = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=False, timeout=30)
    db.close()
    assert other.returncode == 3
