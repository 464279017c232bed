"""PromQL: the subset that rules use, refused with a position where it goes beyond, evaluated as Prometheus does."""

from __future__ import annotations

from spanwatch.core.promql.evaluate import Evaluation, value_of, vector_of
from spanwatch.core.promql.load import load
from spanwatch.core.promql.nodes import Expr, Node
from spanwatch.core.promql.ring import RingSource
from spanwatch.core.promql.tracks import Element, Source, Track, Tracks

__all__ = [
    "Element",
    "Evaluation",
    "Expr",
    "Node",
    "RingSource",
    "Source",
    "Track",
    "Tracks",
    "load",
    "value_of",
    "vector_of",
]
