"""The live ring as a source: the very series that Prometheus gets of the same processes by OTLP, under its names.

Its labels `job` and `service_name` are the service's name, and `instance` is the process's id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate

from spanwatch.core.names import PROCESS_PID, SERVICE_NAME
from spanwatch.core.points import ADDING, Identity, Labels, distribution, unpack, value
from spanwatch.core.prometheus import label_name, metric_name
from spanwatch.core.promql.classic import LE
from spanwatch.core.promql.nodes import Selector
from spanwatch.core.promql.tracks import NAME, Track, Value, matching
from spanwatch.core.series import SECOND_NS, Sample, Series

TARGET = "target_info"
_NS_PER_MS = 1_000_000
_SCOPE = "otel_scope_name"
MOST_KNOWN = 20_000  # series by name whose tracks are remembered
_HEAD = 3  # sum, minimum, maximum: then the buckets


class Memory:
    """Tracks that were made before, and are gone on with. One evaluation at a time uses them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Labels, Identity], tuple[tuple[Sample, ...], list[Track]]] = {}

    def tracks(self, name: str, suffix: str, series: Series, step_ms: int) -> Sequence[Track]:
        """The tracks of one series under one name."""
        key, until = (name, series.resource, series.identity), series.seen_ns // _NS_PER_MS
        known = self._known.get(key)
        if known is not None and known[0] == series.samples and known[1][0].step_ms == step_ms:
            if known[1][0].until_ms != until:
                for track in known[1]:
                    track.until_ms = until
            return known[1]
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        same = 0 if known is None or known[1][0].step_ms != step_ms else len(known[0]) - 1  # the last may be another
        if known is not None and same > 0 and series.samples[:same] == known[0][:same]:
            made = known[1]
            _go_on(made, same, series, suffix)
        else:
            made = list(_tracks(name, suffix, series, step_ms))
        self._known[key] = (series.samples, made)
        return made


def _go_on(made: Sequence[Track], same: int, series: Series, suffix: str) -> None:
    """Put what came after the first `same` samples onto the tracks of a series."""
    more, identity, first = series.samples[same:], series.identity, made[0]
    times = [*first.times[:same], *[sample.at_ns // _NS_PER_MS for sample in more]]
    births = [place + same for place in _births(identity, more)]
    once = first.once
    if births or any(place >= same for place in once):
        once = frozenset({*(place for place in once if place < same), *births})
    for track, values in zip(made, _values(identity, suffix, more), strict=True):
        track.go_on(same, times, [*track.values[:same], *values])
        track.until_ms, track.once = series.seen_ns // _NS_PER_MS, once


class RingSource:
    """Tracks of the ring's series, made when first asked for.

    Args:
        series: Of all processes, from the ring and the store.
        step_ns: How often a collection is told, nanoseconds.
        memory: What the source before made, so that only what is new is made again.
    """

    def __init__(self, series: Iterable[Series], step_ns: int = 15 * SECOND_NS, memory: Memory | None = None) -> None:
        self._memory = Memory() if memory is None else memory
        self._step_ms = max(1, step_ns // _NS_PER_MS)
        self._makers: dict[str, list[tuple[Series, str]]] = {}
        self._made: dict[str, list[Track]] = {}
        self._found: dict[str, list[Track]] = {}  # by the selector's text
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
        found = self._found.get(selector.text)
        if found is None:
            found = self._found[selector.text] = list(matching(selector, (*self._makers, TARGET), self._of_name))
        return found

    def _of_name(self, name: str) -> Sequence[Track]:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = list(self._tracks(name))
        return made

    def _tracks(self, name: str) -> Iterator[Track]:
        seen: set[Labels] = set()
        for series, suffix in self._makers.get(name, ()):
            for track in self._memory.tracks(name, suffix, series, self._step_ms):
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
    ends = [{LE: bound_text(bound)} for bound in (*identity.bounds, math.inf)] if suffix == "_bucket" else [{}]
    for more, values in zip(ends, _values(identity, suffix, samples), strict=True):
        pairs = tuple(sorted(pair for pair in {**labels, **more}.items() if pair[1]))
        yield Track(pairs, times, values, step_ms, until, once)


def _values(identity: Identity, suffix: str, samples: Sequence[Sample]) -> Sequence[list[Value | None]]:
    """The values of each track of a series: of buckets one for each bound, else one."""
    if suffix == "_bucket":
        rows = [None if each.packed is None else list(accumulate(unpack(each.packed)[_HEAD:])) for each in samples]
        return [[None if row is None else row[place] for row in rows] for place in range(len(identity.bounds) + 1)]
    read: Callable[[bytes], Value] = _count if suffix == "_count" else value  # a histogram's first number is its sum
    if identity.kind == "exponential":
        return [[None if each.packed is None else distribution(identity, each.packed) for each in samples]]
    return [[None if each.packed is None else read(each.packed) for each in samples]]


def _count(packed: bytes) -> float:
    return math.fsum(unpack(packed)[_HEAD:])


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
    service, process = known.get(SERVICE_NAME, ""), known.get(PROCESS_PID, "")
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
