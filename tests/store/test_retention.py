"""Retention: the old goes, then the oldest; what is left still adds up."""

import os

import pytest

from spanwatch.core.records import call_body
from spanwatch.store.projection import project
from spanwatch.store.retention import Limits, prune
from spanwatch.store.summary import summary
from tests.store.rig import HOUR, SECOND, START_NS, Segment, adds_up, call, keep, rows, span

DAY = 24 * HOUR
TODAY = START_NS // DAY * DAY
BIG = 1 << 40


def count(home, table):
    return rows(home, f"SELECT count(*) FROM {table}")[0][0]


def aged(home, days):
    """A call, a span and a log of each of these days' ages, at noon."""
    times = [TODAY - day * DAY + DAY // 2 for day in days]
    keep(
        home,
        *(call(started_ns=time, user_id="u") for time in times),
        spans=[span(b=time, e=time + SECOND) for time in sorted(times)],
        logs=[{"ts": time, "body": "x"} for time in times],
    )
    project(home)


def test_whole_days_older_than_the_age_go_everywhere(tmp_path):
    aged(tmp_path, range(10))
    gone = prune(tmp_path, Limits(3, BIG), TODAY + DAY // 2)
    assert (gone.calls, gone.spans, gone.logs) == (6, 6, 6)
    assert [count(tmp_path, table) for table in ("calls", "spans", "logs", "user_days")] == [4, 4, 4, 4]
    assert count(tmp_path, "traces") == 8  # of four calls and four spans, each a trace of its own
    assert summary(tmp_path).sums.calls == 4
    adds_up(tmp_path)
    again = prune(tmp_path, Limits(3, BIG), TODAY + DAY // 2)
    assert (again.calls, again.spans, again.logs) == (0, 0, 0)


def test_what_was_pruned_does_not_come_back_from_a_journal_still_written(tmp_path):
    writer = Segment(tmp_path, alive=True)
    writer.write("call", call_body(call(started_ns=TODAY - 40 * DAY)))
    project(tmp_path)
    assert prune(tmp_path, Limits(30, BIG), TODAY).calls == 1
    project(tmp_path)
    assert count(tmp_path, "calls") == 0
    writer.close()
    project(tmp_path)
    assert count(tmp_path, "calls") == 0


def test_spans_of_a_trace_that_never_ends_go_too(tmp_path):
    keep(tmp_path, spans=[span(t="1" * 32, b=TODAY - n * DAY, e=TODAY - n * DAY + 1) for n in range(50, -1, -1)])
    project(tmp_path)
    assert prune(tmp_path, Limits(10, BIG), TODAY).spans == 40
    assert count(tmp_path, "traces") == 1


@pytest.mark.parametrize("spread", [SECOND, HOUR, DAY])
def test_a_store_that_is_too_large_loses_its_oldest(tmp_path, spread):
    total = 4000
    keep(tmp_path, *(call(started_ns=TODAY - (total - n) * spread // 10, user_id=f"u{n % 5}") for n in range(total)))
    project(tmp_path)
    size = (tmp_path / "store.db").stat().st_size
    gone = prune(tmp_path, Limits(36_500, size // 2), TODAY)
    assert gone.bytes_after <= size // 2 < gone.bytes_before
    left = rows(tmp_path, "SELECT count(*), min(started_ns) FROM calls")[0]
    assert left[0] == total - gone.calls
    assert total * 0.2 < left[0] < total * 0.6
    assert left[1] == TODAY - left[0] * spread // 10  # the newest are there, all of them
    assert (tmp_path / "store.db").stat().st_size < size * 0.7
    adds_up(tmp_path)


def test_spans_alone_are_cut_to_size_as_well(tmp_path):
    keep(tmp_path, spans=[span(b=TODAY + n, e=TODAY + n, a={"x": "y" * 500}) for n in range(3000)])
    project(tmp_path)
    size = (tmp_path / "store.db").stat().st_size
    prune(tmp_path, Limits(36_500, size // 2), TODAY)
    assert 500 < count(tmp_path, "spans") < 2000


def test_logs_alone_are_cut_to_size_as_well(tmp_path):
    keep(tmp_path, logs=[{"ts": TODAY + n, "body": "y" * 500} for n in range(3000)])
    project(tmp_path)
    size = (tmp_path / "store.db").stat().st_size
    prune(tmp_path, Limits(36_500, size // 2), TODAY)
    assert 500 < count(tmp_path, "logs") < 2000


def test_a_size_of_nothing_empties_the_store_and_ends(tmp_path):
    aged(tmp_path, range(5))
    prune(tmp_path, Limits(30, 0), TODAY)
    assert [count(tmp_path, table) for table in ("calls", "spans", "logs", "hours", "user_days")] == [0] * 5


def test_writers_of_whom_nothing_is_left_are_forgotten_when_they_are_many(tmp_path):
    for number in range(1200):
        keep(tmp_path, *([call()] if number == 7 else []))
    project(tmp_path)
    prune(tmp_path, Limits(36_500, BIG), TODAY)
    assert count(tmp_path, "sources") == 1


def test_old_set_aside_databases_go(tmp_path):
    keep(tmp_path, call())
    project(tmp_path)
    for name, age in (("store.db.corrupt-1", 40), ("store.db.corrupt-2", 1)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, ns=(TODAY - age * DAY,) * 2)
    assert prune(tmp_path, Limits(30, BIG), TODAY).set_aside == 1
    assert [path.name for path in tmp_path.glob("*.corrupt-*")] == ["store.db.corrupt-2"]


def test_nothing_is_made_where_nothing_is(tmp_path):
    assert prune(tmp_path / "nowhere", Limits(), TODAY).calls == 0
    assert list(tmp_path.iterdir()) == []
