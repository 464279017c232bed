"""The size that the journal keeps to: the oldest that is owed is given up, and no more of it than has to be."""

import uuid

import pytest

from spanwatch.otel.delivery.spool import FULL, Spool
from spanwatch.otel.journal import Journal, Origin
from spanwatch.store.projection import project

SEGMENT = 8_192
RECORDS = 60


@pytest.fixture
def house(tmp_path):
    return House(tmp_path / "home")


class House:
    """A journal of small segments, of which no more than `most` bytes may be owed."""

    def __init__(self, home, most=3 * SEGMENT):
        self.home, self.most, self.lost = home, most, []
        self.spool = Spool(home, most, lambda *told: self.lost.append(told), look_s=0.0)
        self.spool.lanes = frozenset({"traces"})
        self.journal = Journal(
            home,
            Origin("test", lanes=lambda: {"traces": None}),
            lambda: uuid.uuid4().hex,
            segment_bytes=SEGMENT,
            begun=self.spool.opened,
            ended=self.spool.closed,
        )

    def write(self, count):
        for number in range(count):
            body = {"t": "a" * 32, "s": f"{number:016x}", "n": "x" * 900, "b": 1, "e": 2, "fl": 1, "kd": 0}
            assert self.journal.append("span", body)

    def look(self):
        self.spool.sources("traces")
        return sum(count for _, reason, count, own in self.lost if reason == FULL and own)

    def size(self, *, owed=False):
        files = (self.home / "journal").glob("*.log")
        return sum(path.stat().st_size for path in files if not owed or path.with_suffix(".owed").exists())


def test_no_more_is_given_up_than_has_to_be_while_the_store_has_not_read_it_yet(house):
    house.write(RECORDS)
    before = house.size()
    assert before > 6 * SEGMENT
    first = house.look()
    owed = house.size(owed=True)
    assert house.most - SEGMENT < owed <= house.most  # one segment fewer would have been too few
    assert house.size() == before  # the store has still to read what was given up
    assert [house.look() for _ in range(4)] == [first] * 4
    assert house.size(owed=True) == owed


def test_on_the_disk_there_is_one_segment_more_than_the_size_at_most_once_the_store_has_read(house):
    for _ in range(6):
        house.write(RECORDS // 6)
        house.look()
        project(house.home)
        assert house.size() <= house.most + SEGMENT
    assert house.look() > 0
