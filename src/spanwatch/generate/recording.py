"""Recording rules where they save work: what several expressions compute from series is computed once and kept.

Rules of a group are evaluated in their order and at one moment, so alerts that read what was recorded right before
them mean what they meant. Names are `level:metric:operations`, as Prometheus' practice has it:
https://prometheus.io/docs/practices/rules/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from spanwatch.core.durations import written
from spanwatch.core.errors import ExpressionError
from spanwatch.core.promql import Expr, load
from spanwatch.core.promql.classic import LE
from spanwatch.core.promql.load import selectors
from spanwatch.core.promql.nodes import Aggregate, Binary, FunctionCall, Node, Range, Selector, children, shape
from spanwatch.core.promql.tracks import NAME

_ARITHMETIC = {"/": "ratio", "*": "product", "+": "total", "-": "difference"}
_EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Record:
    """A series that is recorded: its name, and the expression that gives it."""

    name: str
    node: Aggregate | Binary | FunctionCall

    @property
    def expr(self) -> str:
        """Its expression, as PromQL."""
        return self.node.text


@dataclass(frozen=True, slots=True)
class Shared:
    """What to record, and what each expression that reads it becomes, by its text."""

    records: tuple[Record, ...]
    rewritten: Mapping[str, str]


def shared(exprs: Sequence[Expr]) -> Shared:
    """The largest parts that stand more than once in these expressions, and the expressions that read them instead."""
    counted = Counter(node.text for expr in exprs for node in _parts(expr.root))
    taken = {str(each.name) for expr in exprs for each in selectors(expr.root)}
    records: dict[str, Record] = {}
    rewritten: dict[str, str] = {}
    for expr in exprs:
        found = {node.text: node for node in _largest(expr.root, counted)}
        if not found or NAME in expr.text:  # who asks for names would find others
            continue
        for text, node in found.items():
            if text not in records:
                records[text] = Record(_unused(_name(node), taken), node)
                taken.add(records[text].name)
        reading = _rewritten(expr, [records[each] for each in found])
        if reading is not None:
            rewritten[expr.text] = reading
    read = {each.name for text in rewritten.values() for each in selectors(load(text).root)}
    return Shared(tuple(each for each in records.values() if each.name in read), rewritten)


def _parts(node: Node) -> Iterator[Aggregate | Binary | FunctionCall]:
    """The parts that might be recorded."""
    if _is_worth_it(node):
        yield node  # type: ignore[misc]  # one of these
    for child in children(node):
        yield from _parts(child)


def _is_worth_it(node: Node) -> bool:
    """Whether a part makes few series of many, and of them a value rather than a verdict."""
    if isinstance(node, Aggregate):
        return bool(selectors(node))
    if shape(node) != "vector" or not any(map(_is_worth_it, children(node))):
        return False
    return (isinstance(node, Binary) and node.op in _ARITHMETIC) or (
        isinstance(node, FunctionCall) and node.function == "histogram_quantile"
    )


def _largest(node: Node, counted: Mapping[str, int]) -> Iterator[Aggregate | Binary | FunctionCall]:
    if _is_worth_it(node) and counted[node.text] > 1:  # type: ignore[union-attr]  # numbers are worth nothing
        yield node  # type: ignore[misc]  # one of these
        return
    for child in children(node):
        yield from _largest(child, counted)


def _rewritten(expr: Expr, records: Sequence[Record]) -> str | None:
    """The expression that reads the records; None where its text cannot be had with certainty."""
    text = getattr(expr.root, "text", expr.text)
    for record in sorted(records, key=lambda each: -len(each.expr)):
        text = text.replace(record.expr, record.name)
    try:
        root = load(text).root
    except ExpressionError:
        return None
    return text if _means(root, expr.root, {each.name: each.node for each in records}) else None


def _means(new: Any, old: Any, records: Mapping[str | None, Node]) -> bool:
    """Whether a tree is the old one, once the records are put back."""
    if isinstance(new, Selector) and new.name in records and not new.matchers and not new.offset_ms:
        new = records[new.name]
    if type(new) is not type(old):
        return False
    if isinstance(new, tuple):
        return len(new) == len(old) and all(_means(*pair, records) for pair in zip(new, old, strict=True))
    if not is_dataclass(new):
        return bool(new == old)
    return all(
        _means(getattr(new, each.name), getattr(old, each.name), records) for each in fields(new) if each.name != "text"
    )


def _name(node: Node) -> str:
    """What a part is called: by its labels, the first metric that it reads, and what it does with it."""
    grouped = next((each.labels for each in _aggregates(node) if not each.without), ())
    labels = [label for label in grouped if not (label == LE and isinstance(node, FunctionCall))]
    metric = next((each.name for each in selectors(node) if each.name), _EVERYTHING)
    level = "_".join(labels) if labels else _EVERYTHING
    return f"{level}:{metric.replace(':', '_')}:{_operations(node)}"


def _aggregates(node: Node) -> Iterator[Aggregate]:
    if isinstance(node, Aggregate):
        yield node
    for child in children(node):
        yield from _aggregates(child)


def _operations(node: Node) -> str:
    """`sum_rate5m`, `ratio_rate5m`, `histogram_quantile_rate5m`."""
    told = _ARITHMETIC.get(node.op, node.op) if isinstance(node, Binary) else ""
    if isinstance(node, Aggregate):
        told = node.op
    if isinstance(node, FunctionCall):
        told = node.function
    window = next(_ranges(node), "")
    return f"{told}_{window}" if window else told


def _ranges(node: Node) -> Iterator[str]:
    """`rate5m` of each function of a range."""
    if isinstance(node, FunctionCall) and node.args and isinstance(node.args[0], Range):
        yield f"{node.function}{written(node.args[0].length_ms / 1e3)}"
    for child in children(node):
        yield from _ranges(child)


def _unused(name: str, taken: Container[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
