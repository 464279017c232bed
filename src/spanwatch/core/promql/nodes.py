"""The tree of a loaded expression: frozen, and everything in it can be evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spanwatch.core.promql.regex import Pattern

Shape = Literal["scalar", "vector"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label; a label that is not there is the empty text."""

    name: str
    op: str
    value: str
    pattern: Pattern | None = None

    def holds(self, value: str) -> bool:
        """Whether the label's value meets it."""
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        found = self.pattern is not None and self.pattern.matches(value)
        return found if self.op == "=~" else not found


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by name and labels, as they stood `offset_ms` ago."""

    text: str
    name: str | None
    matchers: tuple[Matcher, ...]
    offset_ms: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """The samples of series in the `length_ms` before."""

    text: str
    selector: Selector
    length_ms: int


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function and its arguments."""

    text: str
    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregation by labels, or by all but these (`without`); `param` is the k of topk, the q of quantile."""

    text: str
    op: str
    expr: Node
    param: Node | None
    labels: tuple[str, ...]
    without: bool


@dataclass(frozen=True, slots=True)
class Matching:
    """How two vectors meet: `on` these labels or ignoring them, which side may be many, and labels it takes over."""

    on: bool = False
    labels: tuple[str, ...] = ()
    card: Literal["one", "left", "right"] = "one"
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """Two sides and an operator; `as_bool` makes a comparison 0 or 1."""

    text: str
    op: str
    left: Node
    right: Node
    as_bool: bool
    matching: Matching


@dataclass(frozen=True, slots=True)
class Negative:
    """A minus before an expression."""

    text: str
    expr: Node


Node = Number | Selector | Range | FunctionCall | Aggregate | Binary | Negative

_SCALARS = frozenset({"scalar", "time"})


@dataclass(frozen=True, slots=True)
class Expr:
    """A loaded expression: its text, its tree, and how far back it looks."""

    text: str
    root: Node
    window_ms: int


def shape(node: Node) -> Shape:
    """Whether a node is one number or a vector of them."""
    if isinstance(node, Number):
        return "scalar"
    if isinstance(node, FunctionCall):
        return "scalar" if node.function in _SCALARS else "vector"
    if isinstance(node, Negative):
        return shape(node.expr)
    if isinstance(node, Binary):
        return "scalar" if shape(node.left) == shape(node.right) == "scalar" else "vector"
    return "vector"


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below one."""
    if isinstance(node, Range):
        return (node.selector,)
    if isinstance(node, FunctionCall):
        return node.args
    if isinstance(node, Aggregate):
        return (node.expr,) if node.param is None else (node.param, node.expr)
    if isinstance(node, Binary):
        return (node.left, node.right)
    return (node.expr,) if isinstance(node, Negative) else ()
