"""Sums along time, the spread of durations, and the traces one looks at first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.call import CallStatus, Cost, CostStatus
from spanwatch.store.notable import dearest, slowest
from spanwatch.store.projection import project
from spanwatch.store.timeline import STEPS_NS, _step, spread, timeline
from tests.store import rig
from tests.store.rig import HOUR, SECOND, START_NS, UNPRICED


@pytest.fixture
def home(tmp_path):
    rig.keep(
        tmp_path,
        *(
            rig.call(started_ns=START_NS + n * 17 * 60 * SECOND, agent=("a", "b")[n % 2], duration_ns=(n + 1) * SECOND,
                     cost=Cost(n, CostStatus.PRICED) if n % 5 else UNPRICED, user_id=f"u{n % 3}", trace_id=f"{n:032x}")
            for n in range(200)
        ),
        rig.call(started_ns=START_NS, status=CallStatus.REFUSED, **rig.unknown()),
    )  # fmt: skip
    project(tmp_path)
    return tmp_path


@pytest.mark.parametrize("by", ["model", "agent", "user"])
@pytest.mark.parametrize("most", [4, 12, 48, 400])
@pytest.mark.parametrize("window", [(None, None), (START_NS + HOUR // 3, START_NS + 31 * HOUR + 7)])
def test_slots_add_up_to_the_window_however_they_are_cut(home, by, most, window):
    found = timeline(home, by, since_ns=window[0], until_ns=window[1], most=most)
    inside = [n for n in range(200) if (window[0] or 0) <= START_NS + n * 17 * 60 * SECOND < (window[1] or 1 << 62)]
    assert found.count <= most
    assert sum(slot.sums.calls for slot in found.slots) == len(inside)
    assert sum(slot.sums.nano_usd or 0 for slot in found.slots) == sum(n for n in inside if n % 5)
    assert sum(slot.sums.unpriced for slot in found.slots) == sum(1 for n in inside if not n % 5)
    places = [(slot.at_ns - found.start_ns) / found.step_ns for slot in found.slots]
    assert all(place in range(found.count) for place in places)


def test_a_window_without_calls_has_no_slots(home):
    assert timeline(home, "model", since_ns=1, until_ns=2).count == 0


@given(length=st.integers(0, 40 * STEPS_NS[-1]), most=st.integers(3, 500))
def test_the_shortest_step_that_fits_is_taken(length, most):
    step = _step(length, most)
    assert step in STEPS_NS
    assert step == STEPS_NS[-1] or length // step + 2 <= most + 1
    shorter = [each for each in STEPS_NS if each < step]
    assert not shorter or length >= shorter[-1] * (most - 1)


def test_every_counted_call_is_in_one_bucket_and_a_bound_belongs_to_its_bucket(home, tmp_path_factory):
    assert sum(spread(home).counts) == 200
    other = tmp_path_factory.mktemp("other")
    times = [10_000_000, 10_000_001, 81_920_000_000, 81_920_000_001]
    rig.keep(other, *(rig.call(duration_ns=each) for each in times))
    project(other)
    counts = spread(other).counts
    assert (counts[0], counts[1], counts[-2], counts[-1]) == (1, 1, 1, 1)


def test_the_dearest_and_the_slowest_come_first_and_unknown_cost_is_not_dear(home):
    assert [line.sums.nano_usd for line in dearest(home, limit=3)] == [199, 198, 197]
    assert [line.ended_ns - line.started_ns for line in slowest(home, limit=2)] == [200 * SECOND, 199 * SECOND]
    assert dearest(home, since_ns=START_NS, until_ns=START_NS + 1) == []
