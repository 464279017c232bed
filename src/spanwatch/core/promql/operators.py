"""Operators between numbers and vectors, and how two vectors find their partners.

https://prometheus.io/docs/prometheus/latest/querying/operators/
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

from spanwatch.core.errors import EvaluationError
from spanwatch.core.points import Distribution, Labels
from spanwatch.core.promql import native
from spanwatch.core.promql.nodes import Binary, Matching
from spanwatch.core.promql.tracks import NAME, Element, Value

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def _divided(one: float, other: float) -> float:
    if other:
        return one / other
    if math.isnan(one) or math.isnan(other) or not one:
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1.0, other)


def _rest(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other) or math.isinf(one) or not other:
        return math.nan
    return math.fmod(one, other)


def _power(one: float, other: float) -> float:
    try:
        return math.pow(one, other)
    except OverflowError:
        odd = other == math.floor(other) and math.fmod(other, 2) != 0
        return -math.inf if one < 0 and odd else math.inf
    except ValueError:  # a negative number's root, or 0 to a negative power
        odd = other == math.floor(other) and math.fmod(other, 2) != 0
        return math.nan if one else math.copysign(math.inf, one) if odd else math.inf


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "%": _rest,
    "^": _power,
}


def of_scalars(op: str, left: float, right: float) -> float:
    """An operator between two numbers; comparisons are 0 or 1."""
    if op in COMPARISONS:
        return float(COMPARISONS[op](left, right))
    return ARITHMETIC[op](left, right)


def of_vector(node: Binary, vector: Sequence[Element], scalar: float, *, swapped: bool) -> list[Element]:
    """An operator between a vector and a number, which stands on the left where `swapped`."""
    compare = COMPARISONS.get(node.op)
    if compare is not None and not node.as_bool:
        return [
            each
            for each in vector
            if not isinstance(each.value, Distribution)
            and (compare(scalar, each.value) if swapped else compare(each.value, scalar))
        ]
    results = []
    for labels, value in vector:
        one, other = (scalar, value) if swapped else (value, scalar)
        result = _applied(node.op, one, other)
        if result is not None:
            results.append(Element(nameless(labels), result))
    return results


def _applied(op: str, one: Value, other: Value) -> Value | None:
    """The result; None where the operator has no meaning for these values."""
    if isinstance(one, Distribution) or isinstance(other, Distribution):
        return _of_histograms(op, one, other)
    if op in COMPARISONS:
        return float(COMPARISONS[op](one, other))
    return ARITHMETIC[op](one, other)


def _of_histograms(op: str, one: Value, other: Value) -> Value | None:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        if op == "+":
            return native.plus(one, other)
        if op == "-":
            return native.minus(one, other)
        return float((one == other) == (op == "==")) if op in {"==", "!="} else None
    if op == "*":
        factor, histogram = (other, one) if isinstance(one, Distribution) else (one, other)
        return native.scaled(histogram, factor)  # type: ignore[arg-type]  # one is a histogram, the other a number
    if op == "/" and isinstance(one, Distribution):
        return native.scaled(one, _divided(1.0, other))  # type: ignore[arg-type]  # a number
    return None


def nameless(labels: Labels) -> Labels:
    """Labels without the metric's name."""
    return labels[1:] if labels and labels[0][0] == NAME else tuple(pair for pair in labels if pair[0] != NAME)


def signature(matching: Matching) -> Callable[[Labels], Labels]:
    """What of the labels has to be the same on both sides."""
    names = frozenset(matching.labels)
    if matching.on:
        return lambda labels: tuple(pair for pair in labels if pair[0] in names)
    without = names | {NAME}
    return lambda labels: tuple(pair for pair in labels if pair[0] not in without)


def of_sets(node: Binary, left: Sequence[Element], right: Sequence[Element]) -> list[Element]:
    """`and`, `or`, `unless`."""
    key = signature(node.matching)
    if node.op == "or":
        known = {key(each.labels) for each in left}
        return [*left, *(each for each in right if key(each.labels) not in known)]
    known = {key(each.labels) for each in right}
    return [each for each in left if (key(each.labels) in known) == (node.op == "and")]


def of_vectors(node: Binary, left: Sequence[Element], right: Sequence[Element]) -> list[Element]:
    """An operator between two vectors.

    Raises:
        EvaluationError: more than one element of a side that has to be one has the same labels.
    """
    if not left or not right:
        return []
    matching, key = node.matching, signature(node.matching)
    many, one = (right, left) if matching.card == "right" else (left, right)
    partners = _partners(node, one, key)
    results: list[Element] = []
    seen: set[tuple[Labels, Labels]] = set()
    for each in many:
        mark = key(each.labels)
        partner = partners.get(mark)
        if partner is None:
            continue
        ours, theirs = (partner, each) if matching.card == "right" else (each, partner)
        labels = _labels(node, each.labels, partner.labels)
        pair = (mark, () if matching.card == "one" else labels)
        if pair in seen:
            raise EvaluationError(
                f"many-to-one matching: several elements match {_told(partner.labels)}; write group_left or group_right"
            )
        seen.add(pair)
        found = _pair(node, ours.value, theirs.value)
        if found is not None:
            results.append(Element(labels, found))
    return results


def _partners(node: Binary, one: Sequence[Element], key: Callable[[Labels], Labels]) -> dict[Labels, Element]:
    """The elements of the side that has to be one, by what of their labels is matched."""
    partners: dict[Labels, Element] = {}
    for each in one:
        known = partners.setdefault(key(each.labels), each)
        if known is not each:
            side = "left" if node.matching.card == "right" else "right"
            raise EvaluationError(
                f"many-to-many matching: {_told(known.labels)} and {_told(each.labels)} are both on the {side} of "
                f"{node.op}; aggregate that side, or match on more"
            )
    return partners


def _pair(node: Binary, left: Value, right: Value) -> Value | None:
    result = _applied(node.op, left, right)
    if node.op not in COMPARISONS or result is None:
        return result
    if node.as_bool:
        return float(bool(result))
    return left if result else None


def _labels(node: Binary, many: Labels, one: Labels) -> Labels:
    matching = node.matching
    found = dict(many)
    if node.op not in COMPARISONS or node.as_bool:
        found.pop(NAME, None)
    if matching.card == "one":
        kept = frozenset(matching.labels)
        found = {key: value for key, value in found.items() if (key in kept) == matching.on}
    others = dict(one)
    for name in matching.include:
        if others.get(name):
            found[name] = others[name]
        else:
            found.pop(name, None)
    return tuple(sorted(found.items()))


def _told(labels: Labels) -> str:
    return "{" + ", ".join(f'{key}="{value}"' for key, value in labels) + "}"
