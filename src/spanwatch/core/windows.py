"""Statistics of one instrument over a window, from the samples of all its series.

Increases are what Prometheus' `increase()` sums up, resets included: a value below the one before was counted from
zero. Two things differ. Nothing is extrapolated to the window's edges: the sample that stood at the window's beginning
is the base, so that what two adjoining windows say adds up. And a series that begins inside the window counts from
zero, which Prometheus does only where it is told when a series began.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from spanwatch.core.buckets import Quantile, ends, quantile
from spanwatch.core.points import ADDING, Distribution, Kind, distribution, grown, merged, value
from spanwatch.core.prometheus import label_name
from spanwatch.core.series import STALE_NS, Sample, Series

Bounds = tuple[float, float]
Stood = tuple[float, float]  # a value, and the nanoseconds it stood
_RANKS = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Stats:
    """What one instrument did in a window; what is not known, or has no meaning for its kind, is None and never 0.

    Counters have `sum`, the increase, and `rate`, the increase per second. Histograms have `count` and `rate` of their
    observations, `sum`, `mean` and percentiles, which are interpolated; `*_bounds` are two values between which the
    true one lies, equal where it is known exactly; `min` and `max` are the outer ends of theirs: nothing was below or
    above. Gauges and up-down counters have `last` and, weighted by time, `min`, `max`, `mean` and percentiles of their
    samples; `last` of an up-down counter is the sum over its series, of a gauge the latest.

    `window_s` is in seconds, values in `unit`. `complete` is false when samples of the window's beginning are gone.
    """

    name: str
    kind: Kind | None = None
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    window_s: float = 0.0
    count: float | None = None
    sum: float | None = None
    rate: float | None = None
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    min_bounds: Bounds | None = None
    max_bounds: Bounds | None = None
    p50_bounds: Bounds | None = None
    p95_bounds: Bounds | None = None
    p99_bounds: Bounds | None = None
    last: float | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """From just after `start_ns` up to `end_ns`, UNIX nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / 1e9


def increase(series: Series, window: Window) -> float | None:
    """How much a counter grew; None when nothing is known of it in the window."""
    if not _is_known(series, window):
        return None
    total, previous = 0.0, None
    for sample in _within(series, window):
        if sample.packed is not None:
            now = value(sample.packed)
            if previous is not None:
                total += now - previous if now >= previous else now
            previous = now
    return total


def observed(series: Series, window: Window) -> Distribution | None:
    """What a histogram observed; None when nothing is known of it in the window."""
    if not _is_known(series, window):
        return None
    total: Distribution | None = None
    base: Distribution | None = None
    last: Distribution | None = None
    for sample in _within(series, window):
        if sample.packed is None:
            continue
        now = distribution(series.identity, sample.packed)
        if base is None or last is None:
            base = now
        elif now.count < last.count:
            total = _plus(total, grown(base, last))
            base = _nothing(now)
        last = now
    return None if base is None or last is None else _plus(total, grown(base, last))


def select(series: Iterable[Series], wanted: Mapping[str, str]) -> list[Series]:
    """The series that have these labels, whose names may be written as Prometheus has them (`gen_ai_request_model`)."""
    pairs = {label_name(key): str(text) for key, text in wanted.items()}
    return [each for each in series if all(_labels(each).get(key) == text for key, text in pairs.items())]


def stats(name: str, series: Sequence[Series], window: Window, by: Sequence[str] = ()) -> list[Stats]:
    """The statistics of each group of series that agree in the labels `by`, in the order of these labels' values.

    Groups also differ by the instrument's kind and unit, which are one in all but broken programs.
    """
    groups: dict[tuple[tuple[str, ...], Kind, str], list[Series]] = {}
    for each in series:
        labels = _labels(each)
        key = tuple(labels.get(label_name(label), "") for label in by)
        groups.setdefault((key, each.identity.kind, each.identity.unit), []).append(each)
    return [
        _group(Stats(name, kind, unit, dict(zip(by, key, strict=True)), window.seconds), members, window)
        for (key, kind, unit), members in sorted(groups.items(), key=lambda item: item[0])
    ]


def _group(blank: Stats, members: Sequence[Series], window: Window) -> Stats:
    complete = all(_is_complete(each, window) for each in members)
    facts: dict[str, object] = {"complete": complete}
    if blank.kind == "counter":
        facts |= _counted(members, window)
    elif blank.kind in ADDING:
        facts |= _distributed(members, window)
    else:
        facts |= _levelled(members, window, additive=blank.kind == "updown")
    return _filled(blank, facts)


def _counted(members: Sequence[Series], window: Window) -> dict[str, object]:
    grown_by = [amount for each in members if (amount := increase(each, window)) is not None]
    if not grown_by:
        return {}
    total = math.fsum(grown_by)
    return {"sum": total, "rate": total / window.seconds}


def _distributed(members: Sequence[Series], window: Window) -> dict[str, object]:
    total: Distribution | None = None
    highest, lowest = -math.inf, math.inf
    for each in members:
        seen = observed(each, window)
        if seen is None:
            continue
        total = _plus(total, seen)
        if seen.count:
            low, high = _life(each, window)
            lowest, highest = min(lowest, low), max(highest, high)
    if total is None:
        return {}
    facts: dict[str, object] = {"count": total.count, "sum": total.sum, "rate": total.count / window.seconds}
    filled = ends(total.buckets)
    if filled is None:
        return facts
    first, last = filled
    least = (first.low, first.high) if math.isnan(total.low) else (total.low, total.low)
    most = (last.low, last.high) if math.isnan(total.high) else (total.high, total.high)
    least, most = _clipped(least, lowest, highest), _clipped(most, lowest, highest)
    facts |= {"mean": total.sum / total.count, "min_bounds": least, "max_bounds": most}
    facts |= {"min": _finite(least[0]), "max": _finite(most[1])}
    return facts | _percentiles([quantile(rank, total.buckets) for rank in _RANKS], lowest, highest)


def _percentiles(found: Sequence[Quantile | None], lowest: float, highest: float) -> dict[str, object]:
    """Value and bucket of each; where the bucket has no end, the least or greatest ever observed is one."""
    facts: dict[str, object] = {}
    for name, each in zip(("p50", "p95", "p99"), found, strict=True):
        if each is not None:
            low = each.low if math.isfinite(each.low) else lowest
            high = each.high if math.isfinite(each.high) else highest
            facts |= {name: each.value, f"{name}_bounds": (low, high)}
    return facts


def _levelled(members: Sequence[Series], window: Window, *, additive: bool) -> dict[str, object]:
    levels = _summed_levels(members, window) if additive else [each for s in members for each in _levels(s, window)]
    levels = sorted((level for level in levels if level[1] > 0), key=lambda level: level[0])
    current = [(at, number) for each in members if (found := _current(each, window)) for at, number in [found]]
    facts: dict[str, object] = {}
    if current:
        facts["last"] = math.fsum(number for _, number in current) if additive else max(current)[1]
    if not levels:
        return facts
    whole = math.fsum(duration for _, duration in levels)
    low, high = levels[0][0], levels[-1][0]
    mean = math.fsum(number * duration for number, duration in levels) / whole
    exact = [_by_time(levels, rank * whole) for rank in _RANKS]
    facts |= {"min": low, "max": high, "mean": mean, "min_bounds": (low, low), "max_bounds": (high, high)}
    return facts | _percentiles([Quantile(each, each, each) for each in exact], low, high)


def _levels(series: Series, window: Window) -> Iterator[Stood]:
    """Each value of a gauge, and how long it stood in the window."""
    end = min(window.end_ns, series.seen_ns)
    inside = list(_within(series, window))
    if not inside:
        return
    for sample, until in zip(inside, [*(each.at_ns for each in inside[1:]), end], strict=True):
        if sample.packed is not None:
            yield value(sample.packed), max(0, until - max(sample.at_ns, window.start_ns)) or 1


def _summed_levels(members: Sequence[Series], window: Window) -> Iterator[Stood]:
    """Each value that the sum of several series had, and how long."""
    steps: list[tuple[int, int, float | None]] = []
    for number, each in enumerate(members):
        for sample in _within(each, window):
            packed = sample.packed
            steps.append((max(sample.at_ns, window.start_ns), number, None if packed is None else value(packed)))
        if each.seen_ns < window.end_ns - STALE_NS:
            steps.append((max(each.seen_ns, window.start_ns), number, None))
    if not steps:
        return
    steps.sort(key=lambda step: step[:2])
    standing: dict[int, float] = {}
    end = min(window.end_ns, max((each.seen_ns for each in members), default=window.end_ns))
    for (at, number, now), until in zip(steps, [*(step[0] for step in steps[1:]), end], strict=True):
        if now is None:
            standing.pop(number, None)
        else:
            standing[number] = now
        if standing and until >= at:
            yield math.fsum(standing.values()), until - at or (1 if until == end else 0)


def _current(series: Series, window: Window) -> tuple[int, float] | None:
    """When a gauge was last collected and what it stood at; None when that is too long ago."""
    inside = list(_within(series, window))
    if not inside or inside[-1].packed is None or series.seen_ns < window.end_ns - STALE_NS:
        return None
    return inside[-1].at_ns, value(inside[-1].packed)


def _by_time(levels: Sequence[Stood], rank: float) -> float:
    seen = 0.0
    for number, duration in levels:
        seen += duration
        if seen >= rank:
            return number
    return levels[-1][0]


def _is_known(series: Series, window: Window) -> bool:
    """Whether the process was there in the window, and the series had begun."""
    first = series.samples[0].at_ns if series.samples else window.end_ns + 1
    return first <= window.end_ns and series.seen_ns > window.start_ns


def _is_complete(series: Series, window: Window) -> bool:
    first = series.samples[0] if series.samples else None
    return first is None or first.at_ns <= window.start_ns or first.anchor or series.identity.kind not in ADDING


def _within(series: Series, window: Window) -> Iterator[Sample]:
    """The sample that stood at the window's beginning, and those inside it."""
    base: Sample | None = None
    for sample in series.samples:
        if sample.at_ns <= window.start_ns:
            if sample.packed is not None or series.identity.kind not in ADDING:
                base = sample
        elif sample.at_ns <= window.end_ns:
            if base is not None:
                yield base
                base = None
            yield sample
    if base is not None and series.seen_ns > window.start_ns:
        yield base


def _life(series: Series, window: Window) -> Bounds:
    """The least and the greatest that a histogram ever observed, as of the window's end; infinite when unknown."""
    low, high = math.inf, -math.inf
    for sample in _within(series, window):
        if sample.packed is not None:
            now = distribution(series.identity, sample.packed)
            if now.count:
                low = min(low, -math.inf if math.isnan(now.low) else now.low)
                high = max(high, math.inf if math.isnan(now.high) else now.high)
    return low, high


def _clipped(bounds: Bounds, lowest: float, highest: float) -> Bounds:
    low, high = max(bounds[0], lowest), min(bounds[1], highest)
    return (low, high) if low <= high else bounds


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _plus(total: Distribution | None, more: Distribution) -> Distribution:
    if total is None or not total.count:
        return more
    return merged(total, more) if more.count else total


def _nothing(like: Distribution) -> Distribution:
    empty = grown(like, like)
    return Distribution(0.0, 0.0, math.nan, math.nan, empty.buckets)


def _labels(series: Series) -> dict[str, str]:
    return {label_name(key): text for key, text in (*series.resource, *series.identity.labels)}


def _filled(blank: Stats, facts: Mapping[str, object]) -> Stats:
    given = {name: getattr(blank, name) for name in ("name", "kind", "unit", "labels", "window_s")}
    return Stats(**cast("dict[str, object]", {**given, **facts}))  # type: ignore[arg-type]
