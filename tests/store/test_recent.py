"""The calls of the last minutes, kept in step: always what a whole reading would say."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwatch.core.call import CallStatus, Cost, CostStatus
from spanwatch.store.projection import project
from spanwatch.store.recent import SLOTS, Recent
from spanwatch.store.summary import grouped, summary
from tests.store import rig
from tests.store.rig import SECOND, START_NS, UNPRICED

WINDOW_S = 600.0
CALLS = st.lists(
    st.builds(
        dict,
        ago=st.integers(0, 900),
        duration_ns=st.integers(1, 10**11),
        agent=st.sampled_from(["a", "b", None]),
        user_id=st.sampled_from(["u", "v", None]),
        status=st.sampled_from([CallStatus.OK, CallStatus.ERROR, CallStatus.REFUSED]),
        cost=st.sampled_from([UNPRICED, Cost(7, CostStatus.PRICED), Cost(0, CostStatus.ESTIMATED)]),
    ),
    max_size=12,
)


@given(batches=st.lists(st.tuples(st.integers(0, 200), CALLS), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_in_whatever_order_the_sums_are_those_of_a_whole_reading(tmp_path_factory, batches):
    home, now = tmp_path_factory.mktemp("home"), START_NS
    rig.keep(home)
    project(home)
    recent = Recent(home, WINDOW_S)
    recent.look(now)
    for passed, calls in batches:
        now += passed * SECOND
        rig.keep(home, *(rig.call(started_ns=now - each.pop("ago") * SECOND, **each) for each in calls))
        project(home)
        found = recent.look(now)
        whole = summary(home, since_ns=found.since_ns, until_ns=now + 1)
        assert found.sums.calls == whole.sums.calls
        for name in ("errors", "refused", "unpriced", "estimated", "nano_usd", "input_tokens", "duration_ns"):
            assert getattr(found.sums, name) == getattr(whole.sums, name), name
        for axis in ("agent", "user"):
            slow = {each.key: each.sums.nano_usd for each in grouped(home, axis, since_ns=found.since_ns)}
            assert {key: nano for key, nano in slow.items() if nano} == {
                each.key: each.sums.nano_usd for each in found.groups[axis] if each.sums.nano_usd
            }
        assert sum(each.calls for each in found.moments) == found.sums.calls
        assert len(found.moments) == SLOTS
        for exact, near in zip(
            (whole.duration.p50, whole.duration.p95), (found.duration.p50, found.duration.p95), strict=True
        ):
            assert near == exact or near == pytest.approx(exact, rel=0.0101)


def test_a_user_who_was_forgotten_is_gone_after_the_next_whole_reading(tmp_path):
    rig.keep(tmp_path, rig.call(), rig.call())
    project(tmp_path)
    recent = Recent(tmp_path, WINDOW_S)
    assert recent.look(START_NS + SECOND).sums.calls == 2
    with rig.changing(tmp_path) as db:
        db.execute("DELETE FROM calls WHERE id = 1")
    recent._again_s = 0.0
    assert recent.look(START_NS + SECOND).sums.calls == 1


def test_the_dearest_traces_come_with_what_they_cost(tmp_path):
    calls = [rig.call(trace_id=f"{n % 3:032x}", cost=Cost(n, CostStatus.PRICED)) for n in range(9)]
    rig.keep(tmp_path, *calls)
    project(tmp_path)
    assert Recent(tmp_path, WINDOW_S).look(START_NS + SECOND).dearest == (
        (f"{2:032x}", 15),
        (f"{1:032x}", 12),
        (f"{0:032x}", 9),
    )
