"""What is refused, where, and how quickly."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.errors import ConfigurationError, ExpressionError
from spanwatch.core.promql import load
from spanwatch.core.promql.load import AGGREGATIONS, INSTANT, OVER_TIME, selectors
from spanwatch.core.promql.nodes import shape

REFUSED = [
    ("", None, "empty"),
    ("rate(x[5m:1m])", 9, "subquery"),
    ("rate(x[5m:])", 9, "subquery"),
    ("x @ 5", 2, "offset is about before"),
    ("foo(x)", 0, "the functions are"),
    ("1 + label_replace(x, 'a', 'b', 'c', 'd')", 4, "name the label"),
    ('count_values("v", x)', 0, "count by"),
    ('x{a="b" or c="d"}', 8, 'label=~"a|b"'),
    ("a atan2 b", 2, "atan2"),
    ('x{a=~"(?=b)"}', 5, "RE2"),
    ('x{a=~"b{1001}"}', 5, "regular expression"),
    ("rate(x[4d])", 6, "samples are kept for 3d"),
    ("rate(x[2d] offset 2d)", 6, "4d"),
    ("x +* y", 3, "missing or too much"),
    ("sum by x", 4, "missing or too much"),
    ("sum(x", 3, "never closed"),
    ("sum(x))", 6, "closes nothing"),
    ("x $ y", 2, "'$'"),
    ('x{a="b', 4, "close the string"),
    ("rate(x)", 0, "write a range"),
    ('"abc"', 0, "text has no value"),
    ("x[5m]", 0, "rate(...)"),
    ('{a=""}', None, "non-empty matcher"),
    ('x == "a"', None, "must contain"),
    ("1 and x", None, "not allowed"),
    ("sum(rate(x[5m]))\n / \n sum(rate(y[5m])) foo", 39, "line 3, column 19"),
]


@pytest.mark.parametrize(("text", "at", "words"), REFUSED, ids=[text for text, _, _ in REFUSED])
def test_what_is_left_out_is_refused_with_its_place_and_what_to_write(text, at, words):
    with pytest.raises(ExpressionError) as refused:
        load(text)
    assert words in str(refused.value)
    if at is not None:
        assert refused.value.position == at


HOSTILE = [
    "(" * 3_000 + "x" + ")" * 3_000,
    "x" + "+x" * 50_000,
    "-" * 100_000 + "x",
    "sum(" * 1_000,
    "x{" + 'a="b",' * 400 + "}",
    'x{a=~"' + "(" * 2_000 + '"}',
    'x{a=~"((a{1000}){1000}){1000}"}',
    'x{a=~"' + "(a*)*" * 500 + 'b"}',
    "[" * 4_000,
    "\\" * 4_000,
    '"' * 4_001,
    "1" * 4_096 + "x",
    "x or " * 800 + "x",
    "^".join(["2"] * 2_000),
    "\N{BOMB}" * 4_000,
    "x[" + "9" * 4_000 + "d]",
    "rate(" + "x" * 1_000_000 + "[5m])",
    "# " + "x" * 4_090,
    "__import__('os').system('true')",
    "x\x00y",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: f"{text[:12]}... of {len(text)}")
def test_hostile_expressions_are_refused_at_once(text):
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        with pytest.raises(ConfigurationError):
            load(text)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.1  # 10 ms is what it takes at most on an idle machine; see benchmarks/bench_rules.py


@pytest.mark.parametrize("function", sorted(OVER_TIME))
def test_every_function_of_a_range_loads(function):
    expr = load(f"{function}(x[5m])")
    assert expr.window_ms == 300_000


@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
def test_every_aggregation_loads_in_both_forms(name):
    param = "2, " if name in {"topk", "bottomk", "quantile"} else ""
    assert load(f"{name} by (a) ({param}x)").root.labels == ("a",)
    assert load(f"{name}({param}x) without (b, a)").root.without


def test_what_is_a_number_and_what_a_vector_is_known():
    assert shape(load("scalar(x) + time() * -1").root) == "scalar"
    assert shape(load("-x + 1").root) == "vector"
    assert {"scalar", "time"} <= INSTANT


def test_the_selectors_of_an_expression_are_found():
    found = selectors(load('sum(rate(x[5m] offset 1m)) / on (a) group_left (b) y{c!~"d.*"} > bool 1').root)
    assert [(each.name, each.offset_ms) for each in found] == [("x", 60_000), ("y", 0)]


def test_a_name_may_be_a_matcher():
    assert load('{__name__="x", a="b"}').root.name == "x"
    assert load('{__name__=~"x.*"}').root.name is None


def is_odd(text):
    """Whether it neither loads nor is refused as it should be: a refusal has words, and a place inside of the text."""
    try:
        load(text)
    except ExpressionError as error:
        return not str(error) or not (error.position is None or 0 <= error.position <= len(text))
    return False


@given(st.text(max_size=200))
def test_any_text_loads_or_is_refused(text):
    assert not is_odd(text)


WORDS = ["x", "sum", "by", "on", "(", ")", "[", "5m", "]", "{", "}", "a", "=", '"b"', ",", "+", ">", "rate", "offset"]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_row_of_words_loads_or_is_refused(row):
    assert not is_odd(" ".join(row))
