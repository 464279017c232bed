"""One collection of the SDK as points of series."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    Sum,
)

from spanwatch.core.buckets import Exponential
from spanwatch.core.points import Distribution as Observed
from spanwatch.core.points import Identity, Kind, Labels, Point, pack, pack_distribution


def points(data: MetricsData) -> list[Point]:
    """Every cumulative point of a collection."""
    return [
        point
        for resource in data.resource_metrics
        for group in resource.scope_metrics
        for metric in group.metrics
        for point in _points(metric, group.scope.name)
    ]


def descriptions(data: MetricsData) -> dict[str, str]:
    """What each instrument of a collection says of itself."""
    groups = (group for resource in data.resource_metrics for group in resource.scope_metrics)
    return {metric.name: metric.description or "" for group in groups for metric in group.metrics}


def label(value: Any) -> str:
    """An attribute's value as a label has it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def kind(metric: Metric) -> Kind | None:
    """What an instrument's points are; None when they are no cumulative ones."""
    data = metric.data
    if isinstance(data, Gauge):
        return "gauge"
    if data.aggregation_temporality is not AggregationTemporality.CUMULATIVE:
        return None
    if isinstance(data, Sum):
        return "counter" if data.is_monotonic else "updown"
    if isinstance(data, Histogram):
        return "histogram"
    return "exponential" if isinstance(data, ExponentialHistogram) else None


def _points(metric: Metric, scope: str) -> Iterator[Point]:
    of_kind = kind(metric)
    if of_kind is None:
        return
    for point in metric.data.data_points:
        bounds = tuple(getattr(point, "explicit_bounds", ()))
        labels = _labels(point.attributes)
        identity = Identity(metric.name, of_kind, metric.unit or "", scope, labels, bounds)
        yield Point(identity, point.start_time_unix_nano or 0, _packed(of_kind, point))


def _packed(of_kind: Kind, point: Any) -> bytes:
    if of_kind == "histogram":
        return pack((point.sum, *_extremes(point), *point.bucket_counts))
    if of_kind == "exponential":
        return pack_distribution(Observed(point.count, point.sum, *_extremes(point), exponential(point)))
    return pack((point.value,))


def exponential(point: ExponentialHistogramDataPoint) -> Exponential:
    """The filled buckets of a point."""
    sides = (
        tuple((side.offset + place, float(count)) for place, count in enumerate(side.bucket_counts) if count)
        for side in (point.positive, point.negative)
    )
    return Exponential(point.scale, point.zero_count, getattr(point, "zero_threshold", 0.0) or 0.0, *sides)


def _extremes(point: Any) -> tuple[float, float]:
    """Minimum and maximum; the SDK has infinities where it knows none."""
    if point.min is None or point.max is None or not (math.isfinite(point.min) and math.isfinite(point.max)):
        return math.nan, math.nan
    return point.min, point.max


def _labels(attributes: Any) -> Labels:
    return tuple(sorted((str(key), label(value)) for key, value in (attributes or {}).items()))
