"""Asking a rule: what its expression, or its callable, finds at one moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spanwatch.core.points import Labels
from spanwatch.core.promql import Evaluation, Source, load, value_of, vector_of
from spanwatch.core.promql.aggregates import Groups
from spanwatch.core.promql.load import selectors
from spanwatch.core.promql.nodes import Node, Range, Selector, children
from spanwatch.core.promql.tracks import NAME, Element
from spanwatch.core.rules.alert import Firing
from spanwatch.core.rules.declaration import Rule

Exemplars = Callable[[Sequence[Selector], Labels], tuple[str, ...]]
OF = "of"
NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule found; `unknown` says that there was no data and what was before stands."""

    found: tuple[Firing, ...]
    unknown: bool = False


class Moment:
    """A snapshot: everything that is asked of it is asked of one moment."""

    def __init__(self, source: Source, at_ns: int, groups: Groups | None = None) -> None:
        self.at_ns, self.evaluation = at_ns, Evaluation(source, at_ns // 1_000_000, groups)
        self._source = source

    def query(self, expr: str) -> float | Sequence[Element]:
        """See `Snapshot.query`."""
        return self.evaluation.result(load(expr))

    def has_data(self, node: Node) -> bool:
        """Whether any selector of an expression has a sample."""
        if isinstance(node, Selector):
            return bool(self.evaluation.selected(node))
        if isinstance(node, Range):
            until = self.evaluation.at_ms - node.selector.offset_ms
            return any(track.window(until - node.length_ms, until) for track in self._source.find(node.selector))
        return any(map(self.has_data, children(node)))


def ask(rule: Rule, moment: Moment, exemplars: Exemplars = lambda _selectors, _labels: ()) -> Answer:
    """What a rule finds.

    Raises:
        EvaluationError: its expression has no value now.
        Exception: whatever a callable raises.
    """
    if rule.check is not None:
        return Answer(_checked(rule.check(moment)))
    if rule.loaded is None:
        return Answer(())
    elements = vector_of(moment.evaluation.result(rule.loaded))
    if not elements and rule.no_data != "ok" and not moment.has_data(rule.loaded.root):
        if rule.no_data == "keep":
            return Answer((), unknown=True)
        return Answer((Firing(((NO_DATA, "true"),), None),))
    chosen = selectors(rule.loaded.root) if elements else []
    found = []
    for element in elements:
        labels = tuple(pair for pair in element.labels if pair[0] != NAME)
        found.append(Firing(labels, value_of(element), exemplars(chosen, labels)))
    return Answer(tuple(found))


def _checked(found: object) -> tuple[Firing, ...]:
    if isinstance(found, Mapping):
        return tuple(Firing(((OF, str(key)),), float(value)) for key, value in found.items())
    if isinstance(found, bool) or found is None:
        return (Firing((), None),) if found else ()
    if isinstance(found, int | float):
        return () if math.isnan(found) else (Firing((), float(found)),)
    raise TypeError(f"a rule's check returns whether, a number, or numbers by text, not {type(found).__name__}")
