"""Series as Prometheus' text formats have them, under the names that they have by OTLP."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from spanwatch.core.buckets import Buckets, Explicit, upper_bounds
from spanwatch.core.points import ADDING, Identity, Kind, Labels, added, distribution, value
from spanwatch.core.prometheus import label_name, metric_name
from spanwatch.core.series import Series

TARGETS = "target_info"
_Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Family:
    kind: Kind
    identity: Identity
    rows: dict[Labels, list[bytes]]


def exposed(series: Sequence[Series], help_texts: Mapping[str, str], accept: str) -> tuple[bytes, str]:
    """The last sample of every series, in the format that `accept` asks for, and its content type.

    `help_texts` describe instruments by name. Series that agree in all labels, of two meters of one process, are one.
    """
    encode, content_type = choose_encoder(accept)
    text: bytes = encode(_Collected([*_families(series, help_texts), *_targets(series)]))
    return text, content_type


class _Collected(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(series: Sequence[Series], help_texts: Mapping[str, str]) -> Iterator[Metric]:
    found: dict[str, _Family] = {}
    for each in series:
        identity, packed = each.identity, each.samples[-1].packed if each.samples else None
        if packed is None:
            continue
        name = metric_name(identity.name, identity.kind, identity.unit)
        family = found.setdefault(name, _Family(identity.kind, identity, {}))
        if family.kind == identity.kind:  # of two instruments that clash in their kind the first is told
            family.rows.setdefault((*each.resource, *identity.labels), []).append(packed)
    for name, family in sorted(found.items()):
        yield _family(name, family, help_texts.get(family.identity.name, ""))


def _targets(series: Sequence[Series]) -> Iterator[Metric]:
    """Who reports, as the exporters of OpenTelemetry say it, and as Prometheus makes it of what comes by OTLP."""
    resources = dict.fromkeys(each.resource for each in series)
    if resources and all(metric_name(e.identity.name, e.identity.kind, e.identity.unit) != TARGETS for e in series):
        keys = sorted({key for resource in resources for key, _ in resource})
        metric = GaugeMetricFamily(
            TARGETS, "The processes that these samples are of.", labels=[label_name(key) for key in keys]
        )
        for resource in resources:
            metric.add_metric([dict(resource).get(key, "") for key in keys], 1)
        yield metric


def _family(name: str, family: _Family, text: str) -> Metric:
    rows = [({label_name(key): said for key, said in labels}, packed) for labels, packed in family.rows.items()]
    keys = sorted({key for row, _ in rows for key in row})
    metric: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if family.kind == "counter":
        metric = CounterMetricFamily(name, text, labels=keys)
    elif family.kind in ADDING:
        metric = HistogramMetricFamily(name, text, labels=keys)
    else:
        metric = GaugeMetricFamily(name, text, labels=keys)
    for row, packed in rows:
        _add(metric, [row.get(key, "") for key in keys], family.identity, added(family.identity, packed))
    return metric


def _add(
    metric: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily,
    labels: Sequence[str],
    identity: Identity,
    packed: bytes,
) -> None:
    if isinstance(metric, HistogramMetricFamily):
        seen = distribution(identity, packed)
        metric.add_metric(labels, _cumulative(seen.buckets), seen.sum)
    else:
        metric.add_metric(labels, value(packed))


def _cumulative(buckets: Buckets) -> list[tuple[str, float]]:
    if isinstance(buckets, Explicit):
        pairs = list(zip((*buckets.bounds, math.inf), buckets.counts, strict=True))
    else:
        pairs = [*upper_bounds(buckets), (math.inf, 0.0)]
    counts = accumulate(count for _, count in pairs)
    return [(_bound(bound), count) for (bound, _), count in zip(pairs, counts, strict=True)]


def _bound(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]
