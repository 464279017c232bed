"""Loading an expression: limits first, then what is left out, then the grammar, then the tree that is evaluated.

The grammar is promql-parser's. It gives no places, so the words of the text are searched for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import promql_parser as grammar

from spanwatch.core.durations import written
from spanwatch.core.errors import ExpressionError
from spanwatch.core.promql.aggregates import OF_NUMBERS
from spanwatch.core.promql.elements import OF_ELEMENTS
from spanwatch.core.promql.nodes import (
    Aggregate,
    Binary,
    Expr,
    FunctionCall,
    Matcher,
    Matching,
    Negative,
    Node,
    Number,
    Range,
    Selector,
    children,
)
from spanwatch.core.promql.ranges import FUNCTIONS, IN_SHORT
from spanwatch.core.promql.regex import Pattern, Unsupported
from spanwatch.core.promql.text import Word, called, ranges, refusal, words

MAX_WINDOW_MS = 3 * 86_400_000

OVER_TIME = frozenset({*FUNCTIONS, *IN_SHORT, "absent_over_time"})
INSTANT = frozenset({*OF_ELEMENTS, "absent", "histogram_quantile", "scalar", "time", "vector"})
AGGREGATIONS = frozenset({*OF_NUMBERS, "count", "group", "topk", "bottomk", "quantile"})
_BEFORE_BRACKETS = frozenset(
    {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool"}
)
_KEYWORDS = {
    "atan2": "write the comparison with *, / and a constant instead",
    "fill": "write `or vector(0)` with the labels that both sides have",
    "fill_left": "write `or vector(0)` with the labels that both sides have",
    "fill_right": "write `or vector(0)` with the labels that both sides have",
}
_INSTEAD = {
    "count_values": "write count by (label) (...)",
    "limitk": "write topk(k, ...)",
    "limit_ratio": "write topk(k, ...)",
    "predict_linear": "write x + deriv as rate(x[5m]) * seconds, or let Prometheus evaluate the rule",
    "deriv": "write delta(x[5m]) / 300",
    "histogram_avg": "write rate(x_sum[5m]) / rate(x_count[5m])",
    "histogram_fraction": 'write the share of buckets: rate(x_bucket{le="1"}[5m]) / rate(x_count[5m])',
    "label_replace": "name the label as the series have it",
    "label_join": "name the labels as the series have them",
    "quantile_over_time": "write max_over_time or avg_over_time",
    "timestamp": "write time() for now, and absent_over_time(x[5m]) for what stopped",
    "ln": "compare with the number itself instead of its logarithm",
    "sgn": "write x > bool 0",
    "sort": "leave it out: the order of results means nothing to a rule",
    "sort_desc": "leave it out: the order of results means nothing to a rule",
}


def load(text: str) -> Expr:
    """The expression, ready to be evaluated.

    Raises:
        ExpressionError: it is wrong, too large, or uses what is left out here; names the place and the remedy.
    """
    if not isinstance(text, str):
        raise ExpressionError(f"an expression is PromQL as text, not {type(text).__name__}")
    found = words(text)
    _check(text, found)
    try:
        tree = grammar.parse(text)
    except ValueError as error:
        raise refusal(text, _place(text, found, str(error)), _plainer(str(error))) from None
    root = _Reading(text, found).node(tree)
    if isinstance(root, Range):
        raise refusal(text, 0, "a range alone has no value: write rate(...), increase(...) or another function of it")
    longest = _longest(root)
    if longest > MAX_WINDOW_MS:
        first = next(ranges(found), found[0])
        raise refusal(
            text,
            first.at,
            f"it looks back {written(longest / 1e3)}, and samples are kept for {written(MAX_WINDOW_MS / 1e3)}: shorten "
            "the window, or let Prometheus evaluate this rule",
        )
    return Expr(text, root, longest)


def _check(text: str, found: Sequence[Word]) -> None:
    for word in found:
        if word.text == "@" and not word.inside.endswith("{"):
            raise refusal(
                text, word.at, "@ fixes a time: leave it out, rules are about now, and offset is about before"
            )
        if word.text.startswith(":") and word.inside.endswith("["):
            raise refusal(
                text, word.at, "a subquery is left out: write the range on a series, or several rules that build on it"
            )
        if word.kind == "name" and word.text.lower() == "or" and word.inside.endswith("{"):
            raise refusal(text, word.at, 'or between matchers: write label=~"a|b"')
        if word.kind == "name" and not word.inside.endswith("{") and word.text in _KEYWORDS:
            raise refusal(text, word.at, f"{word.text} is left out: {_KEYWORDS[word.text]}")
    for before, word in pairwise(found):
        if word.kind == "string" and before.text in {"=~", "!~"}:
            _check_pattern(text, word)
    known = OVER_TIME | INSTANT | AGGREGATIONS
    for word in called(found):
        name = word.text
        if name.lower() in _BEFORE_BRACKETS or name in known or name.lower() in AGGREGATIONS:
            continue
        instead = _INSTEAD.get(name, f"the functions are {', '.join(sorted(known))}")
        raise refusal(text, word.at, f"{name}() is left out: {instead}")


def _check_pattern(text: str, word: Word) -> None:
    """Refuse what our own expressions cannot do before the grammar's, which take their time, see it."""
    inner = word.text[1:-1]
    if not word.text.startswith("`"):
        inner = re.sub(r"\\([\\\"'])", r"\1", inner)
    try:
        Pattern(inner)
    except Unsupported as error:
        remedy = "write it in the syntax of RE2, which has no look-around and no back references"
        raise refusal(text, word.at, f"this regular expression cannot be used: {error}; {remedy}") from None


def _plainer(message: str) -> str:
    """What the grammar says, and what to do."""
    if "invalid promql" in message:
        return "this cannot stand here: before it an operator, an operand or a bracket is missing or too much"
    if "expected type matrix" in message:
        return f"{message}: write a range after the series, such as [5m]"
    if "expected type" in message:
        return f"{message}: see the function's arguments"
    return f"{message}; this is how Prometheus sees it too"


def _place(text: str, found: Sequence[Word], message: str) -> int:
    """Where the grammar failed: after the longest beginning that can be gone on with."""
    if message.startswith("illegal regex"):
        return next((word.at for word in found if word.kind == "string" and word.text[1:-1] in message), 0)
    quoted = [part for part in message.split("'")[1::2] if part]
    for word in called(found):
        if word.text in quoted:
            return word.at
    low, high = 0, len(found)  # words[:low] can be gone on with, words[:high] cannot
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _goes_on(text, found, middle) else (low, middle)
    return found[min(low, len(found) - 1)].at


_ENDS = ("", " x", "x[5m]", '="a"', '"a"', " 5m", "(a)", "(a) x", "a", "(x)", "5m", "(x[5m])", "(0.5, x)", "(0, x[5m])")
_OPEN = {"(": ")", "[": "]", "{": "}"}


def _goes_on(text: str, found: Sequence[Word], count: int) -> bool:
    """Whether some end makes a whole expression of the first words."""
    if not count:
        return True
    last = found[count - 1]
    inside = last.inside + (last.text if last.text in _OPEN else "")
    inside = inside[:-1] if last.text in {")", "]", "}"} else inside
    closed = "".join(_OPEN[each] for each in reversed(inside))
    begun = text[: last.at + len(last.text)]
    return any(_parses(f"{begun}{end}{closed}") for end in _ENDS)


def _parses(text: str) -> bool:
    try:
        grammar.parse(text)
    except ValueError as error:
        return "invalid promql" not in str(error) and "inside braces" not in str(error)
    return True


class _Reading:
    """From the grammar's tree to ours."""

    def __init__(self, text: str, found: Sequence[Word]) -> None:
        self._text, self._words = text, found
        self._readers: dict[type, Callable[[Any], Node]] = {
            grammar.NumberLiteral: lambda tree: Number(tree.val),
            grammar.ParenExpr: lambda tree: self.node(tree.expr),
            grammar.VectorSelector: self._selector,
            grammar.MatrixSelector: self._range,
            grammar.Call: self._call,
            grammar.AggregateExpr: self._aggregate,
            grammar.BinaryExpr: self._binary,
            grammar.UnaryExpr: lambda tree: Negative(str(tree), self.node(tree.expr)),
        }

    def node(self, tree: Any) -> Node:
        """One node and what is below it."""
        read = self._readers.get(type(tree))
        if read is None:
            at = next((word.at for word in self._words if word.kind == "string"), 0)
            raise refusal(self._text, at, "text has no value in a rule: compare numbers, and labels in braces")
        return read(tree)

    def _selector(self, tree: Any) -> Selector:
        matchers = [self._matcher(each) for each in tree.matchers.matchers]
        name = tree.name
        for matcher in matchers:
            if matcher.name == "__name__" and matcher.op == "=":
                name = matcher.value
        rest = tuple(each for each in matchers if not (each.name == "__name__" and each.op == "="))
        if name is None and all(each.holds("") for each in rest):
            raise refusal(self._text, 0, "it would take every series: name the metric")
        offset = tree.offset
        return Selector(str(tree), name, rest, 0 if offset is None else round(offset.total_seconds() * 1e3))

    def _matcher(self, given: Any) -> Matcher:
        op = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[str(given.op).rpartition(".")[2]]
        if op in {"=", "!="}:
            return Matcher(given.name, op, given.value)
        try:
            return Matcher(given.name, op, given.value, Pattern(given.value))
        except Unsupported as error:  # escapes that the grammar reads otherwise
            raise refusal(self._text, 0, f"the regular expression {given.value!r} cannot be used: {error}") from None

    def _range(self, tree: Any) -> Range:
        return Range(str(tree), self._selector(tree.vector_selector), round(tree.range.total_seconds() * 1e3))

    def _call(self, tree: Any) -> FunctionCall:
        return FunctionCall(str(tree), tree.func.name, tuple(map(self.node, tree.args)))

    def _aggregate(self, tree: Any) -> Aggregate:
        modifier = tree.modifier
        without = modifier is not None and "Without" in str(modifier.type)
        labels = () if modifier is None else tuple(sorted(modifier.labels))
        param = None if tree.param is None else self.node(tree.param)
        return Aggregate(str(tree), str(tree.op), self.node(tree.expr), param, labels, without)

    def _binary(self, tree: Any) -> Binary:
        modifier = tree.modifier
        left, right = self.node(tree.lhs), self.node(tree.rhs)
        if modifier is None:
            return Binary(str(tree), str(tree.op), left, right, as_bool=False, matching=Matching())
        on = modifier.matching is not None and "Include" in str(modifier.matching.type)
        labels = () if modifier.matching is None else tuple(modifier.matching.labels)
        cards: dict[str, Literal["one", "left", "right"]] = {"ManyToOne": "left", "OneToMany": "right"}
        card: Literal["one", "left", "right"] = cards.get(str(modifier.card).rpartition(".")[2], "one")
        matching = Matching(on, labels, card, tuple(modifier.group_labels or ()))
        return Binary(str(tree), str(tree.op), left, right, bool(modifier.return_bool), matching)


def _longest(node: Node) -> int:
    """How far back a node looks, in milliseconds."""
    if isinstance(node, Range):
        return node.length_ms + max(0, node.selector.offset_ms)
    if isinstance(node, Selector):
        return max(0, node.offset_ms)
    return max(map(_longest, children(node)), default=0)


def selectors(node: Node) -> list[Selector]:
    """Every selector of an expression, in the order in which they stand."""
    if isinstance(node, Selector):
        return [node]
    return [found for child in children(node) for found in selectors(child)]
