"""The live ring as a source: the very series that Prometheus gets of the same processes by OTLP, under its names.

Its labels `job` and `service_name` are the service's name, and `instance` is the process's id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate

from spanwatch.core.names import SERVICE_NAME
from spanwatch.core.points import ADDING, Identity, Labels, distribution, unpack, value
from spanwatch.core.prometheus import label_name, metric_name
from spanwatch.core.promql.classic import LE
from spanwatch.core.promql.nodes import Selector
from spanwatch.core.promql.tracks import NAME, Track, Value, matching
from spanwatch.core.series import SECOND_NS, Sample, Series

TARGET = "target_info"
_PROCESS = "process.pid"
_NS_PER_MS = 1_000_000
_SCOPE = "otel_scope_name"
_HEAD = 3  # sum, minimum, maximum: then the buckets


class RingSource:
    """Tracks of the ring's series, made when first asked for.

    Args:
        series: Of all processes, from the ring and the store.
        step_ns: How often a collection is told, nanoseconds.
    """

    def __init__(self, series: Iterable[Series], step_ns: int = 15 * SECOND_NS) -> None:
        self._step_ms = max(1, step_ns // _NS_PER_MS)
        self._makers: dict[str, list[tuple[Series, str]]] = {}
        self._made: dict[str, list[Track]] = {}
        names: dict[tuple[str, str, str], str] = {}
        resources: dict[Labels, list[Series]] = {}
        for each in series:
            identity = each.identity
            key = (identity.name, identity.kind, identity.unit)
            name = names.get(key) or names.setdefault(key, metric_name(*key))
            for suffix in _suffixes(identity):
                self._makers.setdefault(name + suffix, []).append((each, suffix))
            resources.setdefault(each.resource, []).append(each)
        self._made[TARGET] = [_target(resource, found, self._step_ms) for resource, found in resources.items()]

    def find(self, selector: Selector) -> Iterable[Track]:
        """See `Source.find`."""
        return matching(selector, (*self._makers, TARGET), self._of_name)

    def _of_name(self, name: str) -> Sequence[Track]:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = list(self._tracks(name))
        return made

    def _tracks(self, name: str) -> Iterator[Track]:
        seen: set[Labels] = set()
        for series, suffix in self._makers.get(name, ()):
            for track in _tracks(name, suffix, series, self._step_ms):
                labels = track.labels
                if labels in seen:  # two meters of one process have an instrument of this name
                    labels = tuple(sorted((*labels, (_SCOPE, series.identity.scope))))
                    track = Track(labels, track.times, track.values, track.step_ms, track.until_ms, track.once)  # noqa: PLW2901
                if labels not in seen:
                    seen.add(labels)
                    yield track


def _suffixes(identity: Identity) -> tuple[str, ...]:
    return ("_bucket", "_count", "_sum") if identity.kind == "histogram" else ("",)


def _tracks(name: str, suffix: str, series: Series, step_ms: int) -> Iterator[Track]:
    identity, samples = series.identity, series.samples
    times = [sample.at_ns // _NS_PER_MS for sample in samples]
    until = series.seen_ns // _NS_PER_MS
    once = frozenset(_births(identity, samples))
    labels = {NAME: name, **of_resource(series.resource), **{label_name(key): text for key, text in identity.labels}}

    def track(values: Sequence[Value | None], more: Mapping[str, str] | None = None) -> Track:
        found = {**labels, **(more or {})}
        return Track(tuple(sorted(each for each in found.items() if each[1])), times, values, step_ms, until, once)

    if suffix == "_bucket":
        yield from _buckets(identity, samples, track)
    elif suffix:
        read = _count if suffix == "_count" else _sum
        yield track([None if sample.packed is None else read(sample.packed) for sample in samples])
    else:
        read_one: Callable[[bytes], Value] = value
        if identity.kind == "exponential":
            read_one = lambda packed: distribution(identity, packed)  # noqa: E731
        yield track([None if sample.packed is None else read_one(sample.packed) for sample in samples])


def _buckets(
    identity: Identity, samples: Sequence[Sample], track: Callable[[Sequence[Value | None], Mapping[str, str]], Track]
) -> Iterator[Track]:
    rows = [None if sample.packed is None else list(accumulate(unpack(sample.packed)[_HEAD:])) for sample in samples]
    for place, bound in enumerate((*identity.bounds, math.inf)):
        yield track([None if row is None else row[place] for row in rows], {LE: bound_text(bound)})


def _count(packed: bytes) -> float:
    return math.fsum(unpack(packed)[_HEAD:])


def _sum(packed: bytes) -> float:
    return unpack(packed)[0]


def _births(identity: Identity, samples: Sequence[Sample]) -> Iterator[int]:
    """The places of samples that only say when a series began: nobody told a value until the next one."""
    if identity.kind not in ADDING:
        return
    for place, sample in enumerate(samples):
        if sample.anchor and sample.packed is not None and _is_nothing(identity, sample.packed):
            yield place


def _is_nothing(identity: Identity, packed: bytes) -> bool:
    if identity.kind == "counter":
        return not value(packed)
    return not distribution(identity, packed).count


def of_resource(resource: Labels) -> dict[str, str]:
    """The labels that a process gives to its series."""
    known = dict(resource)
    service, process = known.get(SERVICE_NAME, ""), known.get(_PROCESS, "")
    return {"job": service, "service_name": service, "instance": process}


def _target(resource: Labels, series: Sequence[Series], step_ms: int) -> Track:
    begun = min((each.samples[0].at_ns for each in series if each.samples), default=0) // _NS_PER_MS
    until = max(each.seen_ns for each in series) // _NS_PER_MS
    labels = {NAME: TARGET, **of_resource(resource)}
    return Track(tuple(sorted(each for each in labels.items() if each[1])), [begun], [1.0], step_ms, until)


def bound_text(bound: float) -> str:
    """A bucket's bound as its label has it: `0.25`, `5`, `+Inf`."""
    if math.isinf(bound):
        return "+Inf"
    text = f"{Decimal(repr(bound)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
