"""Samples in the store: every process of one home is seen, thinned and bounded."""

import contextlib
import sqlite3
import threading

import pytest

from spanwatch.core.errors import StoreError
from spanwatch.core.points import Identity, Point, pack, value
from spanwatch.core.series import COARSE_NS, KEEP_NS, SECOND_NS, Ring
from spanwatch.core.windows import Window, increase, stats
from spanwatch.store import samples

COUNTER = Identity("orders", "counter", "{order}", "app", (("kind", "a"),))
LATENCY = Identity("latency", "histogram", "s", "app", (), (0.1, 1.0))
START = 1_000_200 * SECOND_NS
RESOURCE = (("service.name", "bot"), ("process.pid", "7"))


def at(seconds):
    return START + int(seconds * SECOND_NS)


def share(home, instance, ring):
    news = ring.news()
    samples.write(home, instance, RESOURCE, news, ring.seen_ns)
    ring.told(news)


def count_up(home, instance, *, to, step=15, ring=None):
    """A process whose counter stands at n after n steps, each shared."""
    ring = ring or Ring()
    for n in range(1, to + 1):
        ring.take([Point(COUNTER, START, pack((n,)))], at(step * n))
        share(home, instance, ring)
    return ring


def rows(home, question):
    with contextlib.closing(sqlite3.connect(home / "store.db")) as db:
        return db.execute(question).fetchall()


def test_what_was_written_is_read_as_it_was(tmp_path):
    ring = Ring()
    ring.take([Point(COUNTER, START, pack((2,))), Point(LATENCY, START, pack((1.5, 0.1, 0.9, 1, 2, 0)))], at(15))
    ring.take([Point(COUNTER, START, pack((2,)))], at(30))
    share(tmp_path, "a", ring)
    found = {each.identity: each for each in samples.read(tmp_path, None, START - 1, at(60))}
    assert {identity: each.samples for identity, each in found.items()} == dict(ring.series())
    assert {each.resource for each in found.values()} == {RESOURCE}
    assert {each.seen_ns for each in found.values()} == {at(30)}
    assert samples.instruments(tmp_path) == {"orders", "latency"}
    assert [each.identity for each in samples.read(tmp_path, "latency", 0, at(60))] == [LATENCY]


def test_four_processes_are_one_sum(tmp_path):
    for name in "abcd":
        count_up(tmp_path, name, to=5)
    window = Window(START - 1, at(75))
    series = samples.read(tmp_path, "orders", window.start_ns, window.end_ns)
    assert [each.sum for each in stats("orders", series, window)] == [20.0]
    assert len(samples.read(tmp_path, "orders", 0, at(75), without="b")) == 3


def test_a_window_begins_with_what_stood_then(tmp_path):
    count_up(tmp_path, "a", to=10)
    window = Window(at(80), at(150))
    (one,) = samples.read(tmp_path, "orders", window.start_ns, window.end_ns)
    assert [value(sample.packed) for sample in one.samples] == [5, 6, 7, 8, 9, 10]
    assert increase(one, window) == 5.0


def test_a_process_that_was_not_heard_of_since_the_window_began_is_left_out(tmp_path):
    count_up(tmp_path, "a", to=2)
    assert samples.read(tmp_path, None, at(31), at(900)) == []


def test_thinning_keeps_every_sum_and_three_days_are_kept(tmp_path):
    ring = count_up(tmp_path, "a", to=60, step=100)
    before = rows(tmp_path, "SELECT count(*) FROM samples")[0][0]
    samples.tidy(tmp_path, at(6_000 + 7_200), whole=True)
    assert rows(tmp_path, "SELECT count(*) FROM samples")[0][0] < before / 2
    window = Window(START - 1, at(6_000))
    (one,) = samples.read(tmp_path, "orders", window.start_ns, window.end_ns)
    assert increase(one, window) == 60.0
    slots = [sample.at_ns // COARSE_NS for sample in one.samples if not sample.anchor]
    assert len(slots) == len(set(slots))
    ring.take([Point(COUNTER, START, pack((61,)))], START + KEEP_NS + COARSE_NS * 30)
    share(tmp_path, "a", ring)
    samples.tidy(tmp_path, START + KEEP_NS + COARSE_NS * 30)
    assert [row[0] for row in rows(tmp_path, "SELECT anchor FROM samples ORDER BY at")] == [0, 0]


def test_a_process_of_more_than_three_days_ago_is_forgotten(tmp_path):
    count_up(tmp_path, "old", to=2)
    samples.tidy(tmp_path, START + KEEP_NS + 3600 * SECOND_NS)
    for table in ("meters", "series", "samples"):
        assert rows(tmp_path, f"SELECT * FROM {table}") == []


def test_the_number_of_samples_has_a_limit_and_the_oldest_go(tmp_path):
    count_up(tmp_path, "a", to=40)
    samples.tidy(tmp_path, at(600), max_samples=10)
    kept = rows(tmp_path, "SELECT at FROM samples ORDER BY at")
    assert (len(kept), kept[-1][0]) == (10, at(600))


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    threads = [threading.Thread(target=count_up, args=(tmp_path, str(n)), kwargs={"to": 10}) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    window = Window(START - 1, at(150))
    series = samples.read(tmp_path, "orders", window.start_ns, window.end_ns)
    assert [each.sum for each in stats("orders", series, window)] == [40.0]


def test_where_no_store_is_there_are_no_samples(tmp_path):
    assert samples.read(tmp_path / "none", None, 0, START) == []
    assert samples.instruments(tmp_path / "none") == set()
    assert not (tmp_path / "none").exists()


def test_a_store_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        samples.write(tmp_path / "file", "a", RESOURCE, [], START)
