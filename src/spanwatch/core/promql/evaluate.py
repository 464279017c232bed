"""One evaluation: expressions against a source of samples at one moment, each part of them once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

from spanwatch.core.errors import EvaluationError
from spanwatch.core.points import Distribution, Labels
from spanwatch.core.promql import native
from spanwatch.core.promql.aggregates import Groups, aggregated
from spanwatch.core.promql.classic import histogram_quantile
from spanwatch.core.promql.elements import OF_ELEMENTS
from spanwatch.core.promql.nodes import (
    Aggregate,
    Binary,
    Expr,
    FunctionCall,
    Negative,
    Node,
    Number,
    Range,
    Selector,
    shape,
)
from spanwatch.core.promql.operators import COMPARISONS, nameless, of_scalars, of_sets, of_vector, of_vectors
from spanwatch.core.promql.ranges import FUNCTIONS, IN_SHORT
from spanwatch.core.promql.tracks import NAME, Element, Source, Value

Vector = list[Element]
_SETS = frozenset({"and", "or", "unless"})
_KEEP_NAME = frozenset({"last_over_time"})


class Evaluation:
    """Evaluates expressions at `at_ms`, UNIX milliseconds. Parts that several of them share are computed once.

    `groups` may be those of the evaluation before, so that labels which are still there need not be grouped anew.
    Results are what Prometheus' instant query gives: https://prometheus.io/docs/prometheus/latest/querying/basics/
    """

    def __init__(self, source: Source, at_ms: int, groups: Groups | None = None) -> None:
        self._source, self.at_ms = source, at_ms
        self._groups = Groups() if groups is None else groups
        self._known: dict[str, float | Vector] = {}

    def result(self, expr: Expr) -> float | Vector:
        """The value of an expression: a number, or a vector.

        Raises:
            EvaluationError: it has none at this moment.
        """
        return self._value(expr.root)

    def _value(self, node: Node) -> float | Vector:
        if isinstance(node, Number):
            return node.value
        known = self._known.get(node.text)
        if known is None:
            known = self._known[node.text] = _EVALUATE[type(node)](self, node)
        return known

    def scalar(self, node: Node) -> float:
        """The value of a node that is one number."""
        return cast("float", self._value(node))

    def vector(self, node: Node) -> Vector:
        """The value of a node that is a vector."""
        return cast("Vector", self._value(node))

    def selected(self, node: Selector) -> Vector:
        """An instant selector."""
        at = self.at_ms - node.offset_ms
        found = ((track.labels, track.at(at)) for track in self._source.find(node))
        return [Element(labels, value) for labels, value in found if value is not None]

    def called(self, node: FunctionCall) -> float | Vector:
        """A function."""
        if node.function == "time":
            return self.at_ms / 1e3
        if node.function in FUNCTIONS or node.function in IN_SHORT:
            return self._over_time(node)
        if node.function in {"absent", "absent_over_time"}:
            return self._absent(node)
        if node.function == "scalar":
            found = self.vector(node.args[0])
            lone = found[0].value if len(found) == 1 else math.nan
            return math.nan if isinstance(lone, Distribution) else lone
        if node.function == "vector":
            return [Element((), self.scalar(node.args[0]))]
        if node.function == "histogram_quantile":
            return unique(histogram_quantile(self.scalar(node.args[0]), self.vector(node.args[1])))
        numbers = [self.scalar(each) for each in node.args[1:]]
        if node.function == "clamp" and numbers[0] > numbers[1]:
            return []
        compute = OF_ELEMENTS[node.function]
        return unique(
            [
                Element(nameless(labels), compute(value, *numbers))
                for labels, value in self.vector(node.args[0])
                if not isinstance(value, Distribution)
            ]
        )

    def aggregate(self, node: Aggregate) -> Vector:
        """An aggregation."""
        param = None if node.param is None else self.scalar(node.param)
        return aggregated(node, self.vector(node.expr), param, self._groups.of(node))

    def binary(self, node: Binary) -> float | Vector:
        """An operator."""
        left, right = shape(node.left), shape(node.right)
        if left == right == "scalar":
            return of_scalars(node.op, self.scalar(node.left), self.scalar(node.right))
        if right == "scalar":
            return unique(of_vector(node, self.vector(node.left), self.scalar(node.right), swapped=False))
        if left == "scalar":
            return unique(of_vector(node, self.vector(node.right), self.scalar(node.left), swapped=True))
        one, other = self.vector(node.left), self.vector(node.right)
        if node.op in _SETS:
            return of_sets(node, one, other)
        found = of_vectors(node, one, other)
        return found if node.op in COMPARISONS and not node.as_bool else unique(found)

    def negative(self, node: Negative) -> float | Vector:
        """A minus."""
        if shape(node.expr) == "scalar":
            return -self.scalar(node.expr)
        return unique([Element(nameless(labels), _negated(value)) for labels, value in self.vector(node.expr)])

    def ranged(self, node: Range) -> Vector:
        """A range has no value of its own."""
        raise EvaluationError(f"{node.text} has no value outside of a function")

    def _over_time(self, node: FunctionCall) -> Vector:
        window = cast("Range", node.args[0])
        until = self.at_ms - window.selector.offset_ms
        after = until - window.length_ms
        results: Vector = []
        in_short, compute = IN_SHORT.get(node.function), FUNCTIONS.get(node.function)
        keeps_name = node.function in _KEEP_NAME
        for track in self._source.find(window.selector):
            value = None
            if in_short is not None:
                found = track.extent(after, until)
                value = None if found is None else in_short(found, (after, until))
            elif compute is not None:
                value = compute(track.window(after, until), (after, until))
            if value is not None:
                results.append(Element(track.labels if keeps_name else track.bare, value))
        if keeps_name or window.selector.name is not None:  # of one name all are distinct without it, too
            return results
        return unique(results)

    def _absent(self, node: FunctionCall) -> Vector:
        inner = node.args[0]
        if isinstance(inner, Range):
            until = self.at_ms - inner.selector.offset_ms
            after = until - inner.length_ms
            if any(track.window(after, until) for track in self._source.find(inner.selector)):
                return []
            return [Element(_implied(inner.selector), 1.0)]
        return [] if self.vector(inner) else [Element(_implied(inner), 1.0)]


def _implied(node: Node) -> Labels:
    """The labels that a selector says its series have."""
    if not isinstance(node, Selector):
        return ()
    found: dict[str, str] = {}
    doubtful = {each.name for each in node.matchers if each.op != "="}
    for each in node.matchers:
        if each.op == "=" and each.name in found:
            doubtful.add(each.name)
        found[each.name] = each.value
    return tuple(sorted((key, value) for key, value in found.items() if key not in doubtful and value and key != NAME))


def unique(vector: Vector) -> Vector:
    """The vector, whose elements all have other labels.

    Raises:
        EvaluationError: two have the same.
    """
    if len({each.labels for each in vector}) < len(vector):
        raise EvaluationError(
            "two results have the same labels: keep a label that tells them apart, or aggregate first"
        )
    return vector


def _negated(value: Value) -> Value:
    return native.scaled(value, -1.0) if isinstance(value, Distribution) else -value


_EVALUATE: dict[type, Callable[[Evaluation, Node], float | Vector]] = {
    Selector: Evaluation.selected,  # type: ignore[dict-item]  # each is called with its own kind of node
    Range: Evaluation.ranged,  # type: ignore[dict-item]
    FunctionCall: Evaluation.called,  # type: ignore[dict-item]
    Aggregate: Evaluation.aggregate,  # type: ignore[dict-item]
    Binary: Evaluation.binary,  # type: ignore[dict-item]
    Negative: Evaluation.negative,  # type: ignore[dict-item]
}


def vector_of(result: float | Vector) -> Sequence[Element]:
    """The elements of a result; a number is one without labels."""
    return [Element((), result)] if isinstance(result, float) else result


def value_of(element: Element) -> float:
    """An element's number; of a histogram how much was observed."""
    return element.value.count if isinstance(element.value, Distribution) else element.value
