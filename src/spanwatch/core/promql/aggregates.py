"""Aggregations of a vector: one result for each group of labels, or, by topk and bottomk, the foremost of each."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence

from spanwatch.core.points import Distribution, Labels
from spanwatch.core.promql import native
from spanwatch.core.promql.nodes import Aggregate
from spanwatch.core.promql.tracks import NAME, Element, Value

Keys = dict[int, tuple[Labels, Labels]]  # by the identity of labels: these, and what an aggregation keeps of them
MOST_KEYS = 20_000  # of one set of labels that aggregations keep


class Groups:
    """What aggregations keep of labels, remembered; the labels of a track are one object in all evaluations."""

    def __init__(self) -> None:
        self._keys: dict[tuple[tuple[str, ...], bool], Keys] = {}

    def of(self, node: Aggregate) -> Keys:
        """What is remembered of an aggregation's labels."""
        keys = self._keys.setdefault((node.labels, node.without), {})
        if len(keys) > MOST_KEYS:
            keys.clear()
        return keys


def aggregated(node: Aggregate, vector: Iterable[Element], param: float | None, keys: Keys) -> list[Element]:
    """The results of one aggregation; `param` is the k of topk and bottomk, the q of quantile.

    `keys` remembers what aggregations by the same labels kept of labels.
    """
    groups = _grouped(node, vector, keys)
    if node.op in {"topk", "bottomk"}:
        return [each for members in groups.values() for each in _foremost(node.op, members, param or 0.0)]
    results = []
    for labels, members in groups.items():
        value = _result(node.op, [each.value for each in members], param)
        if value is not None:
            results.append(Element(labels, value))
    return results


def _grouped(node: Aggregate, vector: Iterable[Element], keys: Keys) -> dict[Labels, list[Element]]:
    groups: dict[Labels, list[Element]] = {}
    if not node.labels and not node.without:
        members = list(vector)
        return {(): members} if members else {}
    names = frozenset((*node.labels, NAME)) if node.without else frozenset(node.labels)
    without = node.without
    for each in vector:
        labels = each.labels
        known = keys.get(id(labels))
        if known is None:
            known = keys[id(labels)] = labels, tuple([pair for pair in labels if (pair[0] in names) != without])
        group = groups.get(known[1])
        if group is None:
            groups[known[1]] = [each]
        else:
            group.append(each)
    return groups


def _foremost(op: str, members: Sequence[Element], k: float) -> list[Element]:
    numbers = [each for each in members if not native.is_one(each.value)]
    count = int(k) if math.isfinite(k) else 0
    if count < 1:
        return []
    sign = -1.0 if op == "topk" else 1.0
    return heapq.nsmallest(count, numbers, key=lambda each: _rank(each.value, sign))


def _rank(value: Value, sign: float) -> tuple[bool, float]:
    number = value if isinstance(value, float) else math.nan
    return (True, 0.0) if math.isnan(number) else (False, sign * number)


def _result(op: str, values: list[Value], param: float | None) -> Value | None:
    if op == "count":
        return float(len(values))
    if op == "group":
        return 1.0
    histograms = [value for value in values if isinstance(value, Distribution)]
    numbers = [value for value in values if not isinstance(value, Distribution)]
    if op in {"sum", "avg"} and histograms:
        return None if numbers else _together(op, histograms)
    if not numbers:
        return None
    return _quantile(param if param is not None else math.nan, numbers) if op == "quantile" else OF_NUMBERS[op](numbers)


def _together(op: str, histograms: Sequence[Distribution]) -> Distribution:
    total = histograms[0]
    for each in histograms[1:]:
        total = native.plus(total, each)
    return total if op == "sum" else native.scaled(total, 1 / len(histograms))


def _sum(numbers: Sequence[float]) -> float:
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # infinities, of both signs perhaps
        return float(sum(numbers))


def _mean(numbers: Sequence[float]) -> float:
    total = _sum(numbers)
    if math.isinf(total) and all(map(math.isfinite, numbers)):
        return _sum([each / len(numbers) for each in numbers])
    return total / len(numbers)


def _least(numbers: Sequence[float]) -> float:
    return min((each for each in numbers if not math.isnan(each)), default=math.nan)


def _most(numbers: Sequence[float]) -> float:
    return max((each for each in numbers if not math.isnan(each)), default=math.nan)


def _variance(numbers: Sequence[float]) -> float:
    if not all(map(math.isfinite, numbers)):
        return math.nan
    mean = _mean(numbers)
    return _sum([(each - mean) ** 2 for each in numbers]) / len(numbers)


def _quantile(q: float, numbers: Sequence[float]) -> float:
    if math.isnan(q):
        return math.nan
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    ordered = sorted(numbers, key=lambda each: (not math.isnan(each), each))
    rank = q * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    if not weight:
        return ordered[low]
    return ordered[low] * (1 - weight) + ordered[high] * weight


OF_NUMBERS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": _sum,
    "avg": _mean,
    "min": _least,
    "max": _most,
    "stdvar": _variance,
    "stddev": lambda numbers: math.sqrt(_variance(numbers)),
}
