"""Calls that are made in less time than their class takes are the same calls."""

from dataclasses import FrozenInstanceError, replace

import pytest

from spanwatch.core.call import Call, CallStatus, Cost, CostStatus, Usage, changed, new_call, new_cost, new_usage

GIVEN = {"call_id": "a", "operation": "chat", "started_ns": 1, "ended_ns": 2}
COST = Cost(42_000, CostStatus.PRICED)


def test_a_changed_call_is_what_replace_gives_and_the_first_one_stays():
    call = Call(**GIVEN, usage=Usage(1, 2), finish_reasons=("stop",), status=CallStatus.ERROR)
    found = changed(call, cost=COST, agent="desk")
    assert found == replace(call, cost=COST, agent="desk")
    assert hash(found) == hash(replace(call, cost=COST, agent="desk"))
    assert (call.cost, call.agent) == (None, None)


def test_a_call_and_a_usage_of_known_fields_have_the_defaults_of_their_class():
    assert new_call(**GIVEN, agent="desk") == Call(**GIVEN, agent="desk")
    assert new_usage(output_tokens=3) == Usage(output_tokens=3)
    assert not new_usage()
    assert new_cost(42_000, CostStatus.PRICED) == COST
    made = [new_call(**GIVEN), new_usage(), new_cost(1, CostStatus.PRICED)]
    assert [type(each) for each in made] == [Call, Usage, Cost]


def test_a_field_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError):
        changed(Call(**GIVEN), price=1)
    with pytest.raises(TypeError, match=r"Call.*'price'"):
        new_call(**GIVEN, price=1)
    with pytest.raises(TypeError, match="missing 4 required"):
        new_call(agent="desk")


def test_they_are_as_frozen_as_any():
    with pytest.raises(FrozenInstanceError):
        changed(Call(**GIVEN), cost=COST).agent = "desk"
