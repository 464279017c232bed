"""A disk that stalls: it holds up the write that is under way and nothing else, and no record is lost or out of place.

A full pipe in the place of the segment is what really blocks a write, for as long as nobody reads it.
"""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from spanwatch.core.records import lines
from spanwatch.otel.backlog import AGAIN_S, CALM_S, LIMIT_S, STALLED, TELL_S, Backlog
from spanwatch.otel.journal import UNWRITABLE, Journal, Origin
from tests.otel.rig import new_id, records


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Stalled:
    """A journal with one record, whose segment then is a full pipe that a thread is held up by."""

    def __init__(self, home):
        self.clock, self.lost = Clock(), []
        self.journal = Journal(
            home,
            Origin("svc"),
            new_id,
            clock=self.clock,
            lost=lambda reason, count: self.lost.append((reason, count)),
        )
        self.journal.append("log", {"n": 0})
        self.reader, writer = os.pipe()
        self._filled = fill(writer)
        os.dup2(writer, self.journal._fd)
        os.close(writer)
        self.held_up = threading.Thread(target=self.journal.append, args=("log", {"n": 1}), daemon=True)
        self.held_up.start()
        while self.journal._lock.acquire(blocking=False):
            self.journal._lock.release()
            time.sleep(0.001)

    def read(self, last):
        """The numbers that were written, as a disk that works again takes them, up to a last one."""
        found = b""
        while b'"n":%d}' % last not in found:
            found += os.read(self.reader, 65_536)
        return [line.payload["n"] for line in lines(found[self._filled :])]

    def close(self):
        os.close(self.reader)
        self.held_up.join(10)
        assert self.journal.drain(10)
        self.journal.close(10)


def fill(pipe):
    filled = 0
    os.set_blocking(pipe, False)
    try:
        while True:
            filled += os.write(pipe, b"." * 4096)
    except BlockingIOError:
        os.set_blocking(pipe, True)
        return filled


@pytest.fixture
def stalled(tmp_path):
    made = Stalled(tmp_path)
    yield made
    made.close()


def test_one_write_is_held_up_and_no_other_and_all_are_written_in_order(stalled):
    assert all(stalled.journal.append("log", {"n": n}) for n in range(2, 200))
    assert stalled.held_up.is_alive()
    assert stalled.read(199) == list(range(1, 200))
    assert stalled.journal.drain(10)
    assert stalled.journal.appended == 200
    assert stalled.lost == []


def test_a_stall_is_said_once_and_its_end_too(stalled, caplog):
    stalled.journal.append("log", {"n": 2})
    assert caplog.messages == []
    stalled.clock.now += TELL_S
    for n in range(3, 6):
        stalled.journal.append("log", {"n": n})
    (said,) = caplog.messages
    assert "holds records up, for 1.0 s so far" in said
    assert "a SIGKILL takes those that do" in said
    stalled.read(5)
    assert stalled.journal.drain(10)
    assert caplog.messages[1].endswith("is written without delay again; 0 records could not be kept in it meanwhile")


def test_what_does_not_fit_in_memory_is_refused_counted_and_told_in_the_journal(stalled, caplog):
    stalled.journal._backlog._capacity = 10_000
    stalled.clock.now += TELL_S
    kept = [stalled.journal.put(b"x" * 1_000 + b'"n":%d}\n' % n) for n in range(20)]
    assert kept == [True] * 8 + [False] * 12
    assert stalled.journal.dropped == {STALLED: 12}
    assert stalled.lost == [(STALLED, 1)] * 12
    found = b""
    while b'"reason":"journal_stalled"' not in found:
        found += os.read(stalled.reader, 65_536)
    assert b'{"k":"dropped","n":12,"reason":"journal_stalled","kind":"any"}' in found
    assert caplog.messages[-1].endswith("12 records could not be kept in it meanwhile")


def test_what_waits_at_the_end_goes_back_to_who_wants_it_and_is_counted_where_nobody_does(stalled, caplog):
    back = []
    assert stalled.journal.put(b"mine\n", back.append)
    assert stalled.journal.append("log", {"n": 2})
    assert stalled.journal.waiting(back.append) == 1
    stalled.journal.hurry(0.05)
    assert back == [b"mine\n"]
    assert stalled.journal.waiting(back.append) == 0
    assert stalled.lost == [(STALLED, 1)]
    assert not stalled.journal.put(b"later\n", back.append)
    assert caplog.messages[-1].endswith("has not taken the last 2 records: 1 are sent from memory, 1 lost")


def test_a_flush_waits_for_the_disk_as_long_as_it_may(stalled):
    stalled.journal.append("log", {"n": 2})
    assert not stalled.journal.drain(0.05)
    disk = threading.Thread(target=stalled.read, args=(2,))
    disk.start()
    assert stalled.journal.drain(10)
    disk.join(10)


def test_a_segment_that_is_finished_while_the_disk_stalls_has_all_that_came_before_and_nothing_after(stalled, tmp_path):
    stalled.journal.append("log", {"n": 2})
    stalled.journal.close(timeout=0.01)
    stalled.journal.append("log", {"n": 3})
    assert stalled.read(2) == [1, 2]
    assert stalled.journal.drain(10)
    assert [(record["k"], record.get("n")) for record in records(tmp_path)] == [
        ("head", None),
        ("log", 0),
        ("head", None),
        ("log", 3),
    ]


def test_a_child_forked_while_the_disk_stalls_writes_its_own_and_leaves_what_waits_to_the_parent(stalled, tmp_path):
    assert all(stalled.journal.append("log", {"n": n}) for n in (2, 3))
    child = os.fork()
    if child == 0:
        kept = stalled.journal.append("log", {"n": 7})
        os._exit(0 if kept and stalled.journal.appended == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert stalled.read(3) == [1, 2, 3]
    assert [record.get("n") for record in records(tmp_path) if record["k"] == "log"] in ([0, 7], [7, 0])


class Slow:
    """`os.write` that takes some seconds of the clock each, and notes on which thread."""

    def __init__(self, clock):
        self.clock, self.took, self.threads, self._write = clock, [], [], os.write

    def __call__(self, fd, data):
        self.threads.append(threading.current_thread().name)
        self.clock.now += self.took.pop(0) if self.took else 0.0
        return self._write(fd, data)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A journal that has begun, and the disk under it."""
    clock = Clock()
    slow = Slow(clock)
    ours = Journal(tmp_path, Origin("svc"), new_id, clock=clock)
    ours.append("log", {"n": 0})
    monkeypatch.setattr(os, "write", slow)
    yield ours, slow
    monkeypatch.undo()
    ours.close(10)


def test_after_a_slow_write_a_thread_of_its_own_writes_until_the_disk_was_quick_for_a_while(disk, tmp_path):
    ours, slow = disk
    ours.append("log", {"n": 1})
    slow.took = [LIMIT_S]
    ours.append("log", {"n": 2})
    ours.append("log", {"n": 3})
    assert ours.drain(10)
    slow.clock.now += CALM_S
    ours.append("log", {"n": 4})
    assert ours.drain(10)
    ours.append("log", {"n": 5})
    here = threading.current_thread().name
    assert slow.threads == [here, here, "spanwatch-journal", "spanwatch-journal", here]
    assert [record["n"] for record in records(tmp_path)[1:]] == [0, 1, 2, 3, 4, 5]


def test_while_the_disk_is_quick_an_append_is_on_it_when_it_returns_on_whichever_thread_it_was_written(
    disk, tmp_path, monkeypatch
):
    monkeypatch.setattr("spanwatch.otel.backlog.LIMIT_S", 10.0)  # of a machine that is busy
    ours, slow = disk
    slow.took = [LIMIT_S]
    for n in range(1, 50):
        assert ours.append("log", {"n": n})
        assert records(tmp_path)[-1]["n"] == n
    assert slow.threads.count("spanwatch-journal") == 48


def test_stalls_that_come_again_and_again_are_not_said_each_time(disk, caplog):
    ours, slow = disk
    for n in range(5):
        slow.took = [TELL_S]
        ours.append("log", {"n": n})
        assert ours.drain(10)
        slow.clock.now += CALM_S
        ours.append("log", {"n": n})
        assert ours.drain(10)
    assert 5 * (TELL_S + CALM_S) < 2 * AGAIN_S
    assert [("holds records up" in said) for said in caplog.messages] == [True, False, True, False]


def test_a_line_that_waited_and_cannot_be_written_after_all_is_handed_back(disk, monkeypatch):
    ours, slow = disk
    slow.took = [LIMIT_S]
    ours.append("log", {"n": 1})

    def full(_fd, _data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    back = []
    assert ours.put(b"mine\n", back.append)
    assert ours.drain(10)
    assert back == [b"mine\n"]
    assert ours.waiting(back.append) == 0
    assert ours.dropped == {UNWRITABLE: 1}


def test_where_no_thread_can_be_started_any_more_the_caller_writes_itself(disk, monkeypatch, tmp_path):
    ours, slow = disk

    def refuse(_thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    slow.took = [LIMIT_S, LIMIT_S]
    assert all(ours.append("log", {"n": n}) for n in (1, 2, 3))
    assert set(slow.threads) == {threading.current_thread().name}
    assert [record["n"] for record in records(tmp_path)[1:]] == [0, 1, 2, 3]


def test_many_threads_on_a_disk_that_stalls_now_and_then_lose_nothing_and_keep_their_order(tmp_path, monkeypatch):
    write, count = os.write, iter(range(1, 1 << 30))

    def stalling(fd, data):
        if next(count) % 40 == 0:
            time.sleep(0.03)
        return write(fd, data)

    ours = Journal(tmp_path, Origin("svc"), new_id, segment_bytes=20_000)
    ours._backlog._calm_s = 0.0
    monkeypatch.setattr(os, "write", stalling)

    def work(thread):
        assert all(ours.append("log", {"t": thread, "n": n}) for n in range(200))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ours.drain(30)
    ours.close(10)
    kept = [record for record in records(tmp_path) if record["k"] == "log"]
    for number in range(6):
        assert [record["n"] for record in kept if record["t"] == number] == list(range(200))
    assert (ours.appended, ours.dropped) == (1_200, {})


def test_nothing_is_taken_that_was_not_begun():
    backlog = Backlog("home", lambda: None, lambda _lines, _ends: True, lambda _reason, _count: None, clock=Clock())
    assert backlog.put(b"x\n") is None
    assert not backlog.end(0)
    assert backlog.drain(0)
