import random

import pytest

from spanwatch.core.records import frame
from spanwatch.store import segments
from spanwatch.store.accounting import Tallied, settled
from spanwatch.store.owed import begin, is_owed, marks, side_file, take_over
from spanwatch.store.owing import accounts
from spanwatch.store.projection import project

INSTANCE = "a" * 32
SPAN = {"t": "1" * 32, "s": "2" * 16, "n": "chat", "b": 1, "e": 2}


def head(**lanes):
    return frame("head", {"v": 1, "instance": INSTANCE, "resource": {"service.name": "bot"}, "lanes": lanes})


def span(number, **more):
    return frame("span", {**SPAN, "s": f"{number:016x}", **more})


def log(number):
    return frame("log", {"ots": number, "body": "x"})


@pytest.fixture
def write(tmp_path):
    journal = tmp_path / "journal"
    journal.mkdir()

    def write(*parts, number=1):
        path = journal / f"{INSTANCE}-{number}.log"
        path.write_bytes(b"".join(parts))
        return path

    return write


def owing(path):
    """A segment whose writer has ended, owed by nobody else yet."""
    begin(path).release()
    return path


def taken(tmp_path):
    found = [take_over(segment) for segment in segments.segments(tmp_path)]
    return next(segment for segment in found if segment is not None)


def names(bodies):
    return [int(body["s"], 16) for body in bodies]


def test_a_lane_gets_its_own_records_in_order_and_goes_on_after_what_is_settled(write, tmp_path):
    owing(write(head(traces=None, logs=None), span(1), log(1), span(2), frame("call", {}), span(3), log(2)))
    segment = taken(tmp_path)
    traces, logs = segment.lanes["traces"], segment.lanes["logs"]
    assert segment.resource == {"service.name": "bot"}
    assert names(traces.take(2, 1 << 20)) == [1, 2]
    assert traces.settle(1, 1, {}) == (1, {})
    assert names(traces.take(9, 1 << 20)) == [2, 3]
    assert traces.settle(2, 1, {"rejected": 1}) == (1, {"rejected": 1})
    assert traces.take(9, 1 << 20) == []
    assert not segment.settle()
    assert len(logs.take(9, 1 << 20)) == 2
    logs.settle(2, 2, {})
    assert segment.settle()
    assert not side_file(segment.path).exists()
    assert accounts(tmp_path) == {
        "traces": Tallied(3, 2, 0, {"rejected": 1}),
        "logs": Tallied(2, 2, 0, {}),
    }


def test_the_next_process_goes_on_where_the_last_one_was(write, tmp_path):
    owing(write(head(traces=None), *[span(number) for number in range(5)]))
    first = taken(tmp_path)
    first.lanes["traces"].take(3, 1 << 20)
    first.lanes["traces"].settle(3, 3, {})
    first.release()
    second = taken(tmp_path)
    assert names(second.lanes["traces"].take(9, 1 << 20)) == [3, 4]
    assert second.lanes["traces"].position.delivered == 3
    second.release()


def test_only_one_process_pays_and_nobody_takes_what_is_still_written(write, tmp_path):
    path = write(head(traces=None), span(1))
    mine = begin(path)
    (segment,) = segments.segments(tmp_path)
    assert take_over(segment) is None
    mine.release()
    again = take_over(segment)
    assert again is not None
    assert take_over(segment) is None
    again.release()


def test_a_projection_leaves_a_segment_until_it_is_paid(write, tmp_path):
    path = owing(write(head(traces=None), span(1)))
    assert project(tmp_path).records == 1
    assert path.exists()
    segment = taken(tmp_path)
    segment.lanes["traces"].take(1, 1)
    segment.lanes["traces"].settle(1, 1, {})
    assert segment.settle()
    assert project(tmp_path).removed == 1
    assert not path.exists()


def test_only_the_scope_that_is_sent_is_owed(write, tmp_path):
    owing(write(head(traces="ours"), span(1, sc=["ours", None, None]), span(2, sc=["other", None, None]), span(3)))
    lane = taken(tmp_path).lanes["traces"]
    assert names(lane.take(9, 1 << 20)) == [1]
    lane.settle(1, 1, {})
    assert lane.is_done()
    lane.segment.release()


def test_a_damaged_line_is_dropped_and_counted_and_costs_no_other(write, tmp_path):
    bad = bytearray(span(2))
    bad[40] ^= 1
    owing(write(head(traces=None, logs=None), span(1), bytes(bad), span(3), b"junk\n", span(4)))
    lane = taken(tmp_path).lanes["traces"]
    bodies = lane.take(9, 1 << 20)
    assert names(bodies) == [1, 3, 4]
    assert lane.settle(3, 3, {}) == (3, {"journal_damaged": 2})
    lane.segment.release()
    assert accounts(tmp_path)["traces"].unaccounted == 0


def test_a_record_that_was_forgotten_is_dropped_for_that_reason(write, tmp_path):
    line = span(2)
    owing(write(head(traces=None, logs=None), span(1), segments.blank(len(line), "span"), span(3)))
    lane = taken(tmp_path).lanes["traces"]
    assert names(lane.take(9, 1 << 20)) == [1, 3]
    assert lane.settle(2, 2, {}) == (2, {"forgotten": 1})
    lane.segment.release()


def test_what_is_given_up_is_dropped_once_though_a_request_is_under_way(write, tmp_path):
    owing(write(head(traces=None), *[span(number) for number in range(5)]))
    lane = taken(tmp_path).lanes["traces"]
    lane.take(2, 1 << 20)
    assert lane.give_up("journal_full") == 5
    assert lane.settle(2, 2, {}) == (0, {})
    assert lane.position.dropped == {"journal_full": 5}
    assert lane.segment.settle()


def test_the_account_of_a_home_holds_at_every_step(write, tmp_path):
    owing(write(head(traces=None), *[span(number) for number in range(10)]))
    assert accounts(tmp_path) == {"traces": Tallied(10, 0, 10, {})}
    lane = taken(tmp_path).lanes["traces"]
    lane.take(6, 1 << 20)
    lane.settle(6, 4, {"rejected": 2})
    assert accounts(tmp_path) == {"traces": Tallied(10, 4, 4, {"rejected": 2})}
    lane.take(9, 1 << 20)
    lane.settle(4, 4, {})
    lane.segment.settle()
    assert accounts(tmp_path) == {"traces": Tallied(10, 8, 0, {"rejected": 2})}


def test_a_segment_is_summed_up_once_though_the_process_dies_before_its_side_file_is_gone(write, tmp_path):
    path = owing(write(head(traces=None), span(1)))
    segment = taken(tmp_path)
    segment.lanes["traces"].take(1, 1)
    segment.lanes["traces"].settle(1, 1, {})
    mark = side_file(path).read_bytes()
    segment.settle()
    side_file(path).write_bytes(mark)
    assert accounts(tmp_path) == {"traces": Tallied(1, 1, 0, {})}
    assert taken(tmp_path).settle()
    assert accounts(tmp_path) == {"traces": Tallied(1, 1, 0, {})}


def test_without_an_account_nothing_was_sent(tmp_path):
    assert settled(tmp_path / "journal") == ({}, frozenset())
    assert accounts(tmp_path) == {}


def test_a_torn_or_flipped_side_file_repeats_and_never_fails(write, tmp_path):
    path = owing(write(head(traces=None), *[span(number) for number in range(5)]))
    lane = taken(tmp_path).lanes["traces"]
    for _ in range(5):
        lane.take(1, 1 << 20)
        lane.settle(1, 1, {})
    lane.segment.release()
    whole, chance = side_file(path).read_bytes(), random.Random(6)
    for cut in range(len(whole)):
        side_file(path).write_bytes(whole[:cut])
        assert all(0 <= mark.end <= path.stat().st_size for mark in marks(side_file(path)).values())
    for _ in range(500):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        side_file(path).write_bytes(flipped)
        segment = taken(tmp_path)
        assert len(segment.lanes["traces"].take(9, 1 << 20)) <= 5
        segment.release()


def test_a_symbolic_link_is_no_side_file(write, tmp_path):
    path = write(head(traces=None), span(1))
    target = tmp_path / "elsewhere"
    target.write_text("")
    side_file(path).symlink_to(target)
    (segment,) = segments.segments(tmp_path)
    assert is_owed(segment)
    assert take_over(segment) is None
