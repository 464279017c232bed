"""What Prometheus calls each metric that spanwatch emits: predicted from the registry, proven in tests/stack."""

from __future__ import annotations

from dataclasses import dataclass

from spanwatch.core.names import METRIC_OVERFLOW, Metric
from spanwatch.core.prometheus import label_name, metric_name

# What the OTLP receiver adds: where it came from (twice over, as promoted resource attributes), and its scope.
RESOURCE_LABELS = frozenset(
    {
        "job",
        "instance",
        "service_name",
        "service_namespace",
        "service_version",
        "service_instance_id",
        "deployment_environment_name",
    }
)


@dataclass(frozen=True, slots=True)
class Predicted:
    """One metric's series: the names of all, the one that counts events, and the labels that they may carry."""

    name: str
    series: tuple[str, ...]
    counts: str
    labels: frozenset[str]
    bounds: tuple[str, ...] = ()


def predicted(metric: Metric) -> Predicted:
    """The series of a metric: a histogram has three, of which `_bucket` has `le` too, every other has one."""
    name = metric_name(metric.name, metric.kind, metric.unit)
    labels = frozenset(map(label_name, (*metric.attributes, METRIC_OVERFLOW))) | RESOURCE_LABELS
    if metric.kind != "histogram":
        return Predicted(name, (name,), name, labels)
    series = tuple(f"{name}_{part}" for part in ("bucket", "sum", "count"))
    bounds = (*(f"{bound}" for bound in metric.buckets), "+Inf")
    return Predicted(name, series, series[2], labels | {"le"}, bounds)
