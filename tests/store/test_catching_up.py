"""Readers catch up first, in place or in a copy; several processes, killed ones among them, cost nothing."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from spanwatch.core.errors import StoreError
from spanwatch.core.records import call_body
from spanwatch.store import projection, segments
from spanwatch.store.calls import calls
from spanwatch.store.catching_up import caught_up
from spanwatch.store.projection import project, waiting
from spanwatch.store.stats import stats
from spanwatch.store.summary import summary
from tests.store.rig import START_NS, Segment, call, keep, rows, span


@contextlib.contextmanager
def read_only(path):
    """The directory on a file system that cannot be written, even by root."""
    done = [subprocess.run(["mount", *words], check=False, capture_output=True) for words in (
        ["--bind", path, path], ["-o", "remount,bind,ro", path]
    )]  # fmt: skip
    if any(one.returncode for one in done):
        subprocess.run(["umount", "-l", path], check=False, capture_output=True)
        if os.geteuid() == 0:
            pytest.skip("nothing can be mounted here, and root writes everywhere")
        path.chmod(0o500)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=False, capture_output=True)
        path.chmod(0o700)


def count(home):
    return summary(home).sums.calls


def test_a_reader_sees_what_was_journaled_a_moment_ago(tmp_path):
    writer = Segment(tmp_path, alive=True)
    for number in range(1, 4):
        writer.write("call", call_body(call()))
        with caught_up(tmp_path) as home:
            assert (home, count(home)) == (tmp_path, number)
    writer.close()


@pytest.mark.parametrize("projected", [0, 1])
def test_a_read_only_directory_is_read_to_the_last_record(tmp_path, projected):
    home = tmp_path / "home"
    keep(home, call())
    if projected:
        project(home)
    writer = Segment(home, alive=True)
    writer.write("call", call_body(call()))
    before = sorted(path.name for path in home.rglob("*"))
    with read_only(home):
        with caught_up(home) as copy:
            assert copy != home
            assert count(copy) == 2
        assert not copy.exists()
        assert sorted(path.name for path in home.rglob("*")) == before
    writer.close()


def test_a_read_only_directory_with_nothing_waiting_is_read_in_place(tmp_path):
    home = tmp_path / "home"
    keep(home, call())
    project(home)
    with read_only(home), caught_up(home) as place:
        assert (place, count(place)) == (home, 1)


def test_a_disk_that_is_full_does_not_keep_a_reader_from_reading(tmp_path, monkeypatch):
    keep(tmp_path, call())

    def full(_home):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spanwatch.store.catching_up.project", full)
    with caught_up(tmp_path) as copy:
        assert count(copy) == 1


def test_nothing_there_is_said_in_plain_words(tmp_path):
    with pytest.raises(StoreError, match="no store in"), caught_up(tmp_path / "nowhere"):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_a_store_of_a_newer_version_is_refused_rather_than_copied(tmp_path):
    keep(tmp_path, call())
    project(tmp_path)
    with contextlib.closing(projection.database.sqlite3.connect(tmp_path / "store.db")) as db:
        db.execute("PRAGMA user_version = 99")
    keep(tmp_path, call())
    with pytest.raises(StoreError, match="upgrade spanwatch"), caught_up(tmp_path):
        pass


def test_a_segment_that_another_process_removed_is_not_read_a_second_time(tmp_path):
    keep(tmp_path, call(user_id="alice"))
    (listed,) = segments.segments(tmp_path)
    with segments.opened(listed) as descriptor:
        assert project(tmp_path).removed == 1  # the other process stores it, removes it and forgets how far it was read
        with contextlib.closing(projection.database.sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as db:
            db.execute("DELETE FROM calls")
            assert projection._step(db, listed, descriptor, 1 << 20) is None
            assert projection._finish(db, listed, descriptor).damaged == 0
    assert rows(tmp_path, "SELECT count(*) FROM calls") == [(0,)]


def test_waiting_is_whether_anything_is_not_stored_yet(tmp_path):
    writer = Segment(tmp_path, alive=True)
    project(tmp_path)
    assert not waiting(tmp_path)
    writer.write("call", call_body(call()))
    assert waiting(tmp_path)
    writer.close()


def test_a_segment_that_grows_while_it_is_read_is_read_once(tmp_path, monkeypatch):
    writer = Segment(tmp_path, alive=True)
    writer.write("call", call_body(call()))
    read = segments.read

    def read_slowly(*args):
        writer.write("call", call_body(call()))
        return read(*args)

    monkeypatch.setattr(segments, "read", read_slowly)
    assert project(tmp_path).records == 2
    writer.write("call", call_body(call()))
    assert project(tmp_path).records == 2
    assert count(tmp_path) == 4
    writer.close()


WRITER = """
import sys, uuid
from pathlib import Path
from spanwatch.core.call import Call
from spanwatch.core.records import call_body
from spanwatch.otel.journal import Journal, Origin
journal = Journal(Path(sys.argv[1]), Origin("svc"), lambda: uuid.uuid4().hex, segment_bytes=20_000)
while True:
    call = Call(uuid.uuid4().hex, "chat", 1_790_000_000_000_000_000, 1_790_000_001_000_000_000)
    assert journal.append("call", call_body(call))
    print(call.call_id, flush=True)
"""


def test_every_call_that_ended_before_a_sigkill_is_found_and_none_twice(tmp_path):
    script = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen(script, stdout=subprocess.PIPE) for _ in range(3)]
    said = [set() for _ in writers]
    try:
        kill_one_by_one(writers, said, tmp_path)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()
    done = project(tmp_path)
    found = [each.call_id for each in calls(tmp_path)]
    assert len(found) == len(set(found))
    assert set.union(*said) <= set(found)
    assert len(found) <= sum(map(len, said)) + len(writers)  # one may have ended and not been said
    assert done.removed >= 1
    assert (
        sum(left.stat().st_size for left in (tmp_path / "journal").iterdir()) == 0
    )  # one may have been about to begin


def test_a_segment_whose_writer_was_killed_before_its_first_byte_goes_once_nobody_can_be_about_to_begin(tmp_path):
    writer = Segment(tmp_path, alive=True)
    os.truncate(writer.path, 0)

    def removed(seconds):
        os.utime(writer.path, (then := time.time() - seconds, then))
        return project(tmp_path).removed

    assert removed(projection.ABOUT_TO_BEGIN_S + 1) == 0  # its writer holds the lock
    writer.close()
    assert removed(0) == 0
    assert removed(projection.ABOUT_TO_BEGIN_S + 1) == 1
    assert not writer.path.exists()


def kill_one_by_one(writers, said, home):
    for number, writer in enumerate(writers):
        for _ in range(400 + 350 * number):
            said[number].add(writer.stdout.readline().decode().strip())
        project(home)  # while the others go on writing
        writer.send_signal(signal.SIGKILL)
    for number, writer in enumerate(writers):
        said[number] |= {line.decode().strip() for line in writer.stdout if line.endswith(b"\n")}
        assert writer.wait() == -signal.SIGKILL


def test_stats_tell_what_is_kept_and_what_waits(tmp_path):
    keep(tmp_path, call(), call(started_ns=START_NS + 5), spans=[span()], logs=[{"ts": START_NS}])
    project(tmp_path)
    writer = Segment(tmp_path, alive=True)
    writer.write("dropped", {"n": 3, "reason": "journal_unwritable", "kind": "any"})
    project(tmp_path)
    (tmp_path / "store.db.corrupt-1").touch()
    found = stats(tmp_path)
    assert dict(found.rows) == {"calls": 2, "spans": 1, "traces": 3, "logs": 1, "feedback": 0}
    assert (found.segments, found.set_aside, found.losses) == (1, 1, (("journal_unwritable", 3),))
    assert (found.oldest_ns, found.newest_ns) == (START_NS, START_NS + 5)
    assert found.journal_bytes == writer.path.stat().st_size
    assert found.database_bytes > 4096
    writer.close()
