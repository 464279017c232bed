"""What rules find: expressions, callables, and what it means that nothing is there."""

import math

import pytest

from spanwatch.core.rules import Firing, Rule
from spanwatch.core.rules.asking import Moment, ask
from tests.core.promql.rig import tracks

SOURCE = tracks('x{job="a"}: 1', 'x{job="b"}: 3')


def asked(rule, source=SOURCE, **more):
    return ask(rule, Moment(source, 0), **more)


def test_each_element_of_the_result_is_found_with_its_value():
    assert asked(Rule("A", "x > 2")).found == (Firing((("job", "b"),), 3.0),)
    assert asked(Rule("A", "1 + 1")).found == (Firing((), 2.0),)


def test_traces_are_asked_for_by_what_the_expression_selects():
    seen = []

    def exemplars(selectors, labels):
        seen.append(([each.name for each in selectors], labels))
        return ("t1",)

    assert asked(Rule("A", "x > 2"), exemplars=exemplars).found[0].trace_ids == ("t1",)
    assert seen == [(["x"], (("job", "b"),))]


@pytest.mark.parametrize(
    ("no_data", "expr", "found", "unknown"),
    [
        ("ok", "nothing > 2", 0, False),
        ("alert", "nothing > 2", 1, False),
        ("alert", "rate(nothing[5m]) > 2", 1, False),
        ("keep", "nothing > 2", 0, True),
        ("alert", "x > 9", 0, False),
        ("keep", "x > 9", 0, False),
    ],
)
def test_no_data_means_what_the_rule_says(no_data, expr, found, unknown):
    answer = asked(Rule("A", expr, no_data=no_data))
    assert (len(answer.found), answer.unknown) == (found, unknown)


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (True, (Firing((), None),)),
        (False, ()),
        (None, ()),
        (2, (Firing((), 2.0),)),
        (math.nan, ()),
        ({"eu": 2}, (Firing((("of", "eu"),), 2.0),)),
    ],
)
def test_a_callable_returns_whether_or_a_value_or_values(result, found):
    assert asked(Rule("A", check=lambda snapshot: result)).found == found


def test_a_callable_asks_the_snapshot():
    rule = Rule("A", check=lambda snapshot: sum(each.value for each in snapshot.query("x")))
    assert asked(rule).found == (Firing((), 4.0),)


def test_another_result_is_a_type_error():
    with pytest.raises(TypeError, match="not str"):
        asked(Rule("A", check=lambda snapshot: "bad"))
