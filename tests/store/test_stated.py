"""A cost that the application states: in place of the computed one, once, whichever record comes first."""

import itertools

import pytest

from spanwatch.core import names
from spanwatch.core.call import Cost, CostStatus, Usage, stated_cost
from spanwatch.store.forget import forget
from spanwatch.store.projection import project
from spanwatch.store.summary import grouped, summary
from spanwatch.store.trace import trace
from tests.store.rig import START_NS, adds_up, call, keep, rows, segment, unknown

_ids = itertools.count()


def statement(key, nano, *, at=START_NS, number=None):
    return {"id": number or f"s{next(_ids)}", "at": at, "call": key, "nano_usd": nano}


def state(home, *statements):
    with segment(home) as found:
        for each in statements:
            found.write("cost", each)
    project(home)


def cost(home):
    found = summary(home).sums
    return found.nano_usd, found.calls, found.unpriced


@pytest.mark.parametrize("key", ["span_id", "response_id"])
def test_it_replaces_the_cost_of_the_call_it_names(tmp_path, key):
    one, other = call(response_id="r-1"), call(response_id="r-2")
    keep(tmp_path, one, other)
    project(tmp_path)
    state(tmp_path, statement(getattr(one, key), 70))
    assert cost(tmp_path) == (1_070, 2, 0)
    assert rows(tmp_path, "SELECT cost_source, cost_status FROM calls WHERE nano_usd = 70") == [("user", "priced")]
    adds_up(tmp_path)


def test_it_waits_for_its_call(tmp_path):
    one = call(response_id="r-1", **unknown())
    state(tmp_path, statement("r-1", 70))
    keep(tmp_path, one)
    project(tmp_path)
    assert cost(tmp_path) == (70, 1, 0)


def test_the_same_statement_twice_counts_once_and_of_several_the_last_holds(tmp_path):
    keep(tmp_path, call(response_id="r-1"))
    first = statement("r-1", 70, at=START_NS + 1)
    state(tmp_path, first, first)
    state(tmp_path, first)
    assert cost(tmp_path)[0] == 70
    state(tmp_path, statement("r-1", 90, at=START_NS + 3))
    state(tmp_path, statement("r-1", 80, at=START_NS + 2))  # stated before, by a process that was read later
    assert cost(tmp_path)[0] == 90
    adds_up(tmp_path)


def test_usage_that_comes_late_leaves_a_stated_cost_alone(tmp_path):
    one = call(response_id="r-1", **unknown())
    keep(tmp_path, one)
    state(tmp_path, statement("r-1", 70))
    late = call(call_id=one.call_id, trace_id=one.trace_id, response_id="r-1", cost=Cost(5, CostStatus.PRICED))
    keep(tmp_path, late)
    project(tmp_path)
    found = summary(tmp_path).sums
    assert (found.nano_usd, found.input_tokens) == (70, 100)


def test_an_amount_of_its_own_is_in_the_sums_and_is_no_call(tmp_path):
    own = call(
        operation=names.REPORTED_COST, usage=None, request_model=None, response_model=None, agent="orders",
        cost=stated_cost(500), user_id="alice", span_id=None, parent_span_id="1" * 16,
    )  # fmt: skip
    keep(tmp_path, own, call(trace_id=own.trace_id, usage=Usage(1, 1)))
    project(tmp_path)
    assert cost(tmp_path) == (1_500, 1, 0)
    assert [(each.key, each.sums.nano_usd, each.sums.calls) for each in grouped(tmp_path, "agent")] == [
        ("", 1_000, 1),
        ("orders", 500, 0),
    ]
    total = trace(tmp_path, own.trace_id).total
    assert (total.nano_usd, total.calls) == (1_500, 1)
    adds_up(tmp_path)


@pytest.mark.parametrize("nano", [None, "7", 10**17, 1.5])
def test_a_statement_without_an_amount_is_damage(tmp_path, nano):
    keep(tmp_path, call(response_id="r-1"))
    state(tmp_path, statement("r-1", nano))
    assert cost(tmp_path)[0] == 1_000
    assert summary(tmp_path).losses == (("journal_damaged", 1),)


def test_a_forgotten_users_statements_go_with_the_calls(tmp_path):
    keep(tmp_path, call(response_id="r-1", user_id="alice"), call(response_id="r-2", user_id="bob"))
    state(tmp_path, statement("r-1", 70), statement("r-2", 80))
    forget(tmp_path, "alice")
    assert rows(tmp_path, "SELECT call FROM stated_costs") == [("r-2",)]
    assert cost(tmp_path)[:2] == (80, 1)
