"""What is evaluated: series of samples, by name.

A source of samples has a track for each series. A track may say that its samples stand: what does not change is kept
once, and counts as told again every `step_ms`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, Protocol

from spanwatch.core.points import Distribution, Labels
from spanwatch.core.promql.nodes import Selector

LOOKBACK_MS = 300_000
NAME = "__name__"
Value = float | Distribution


class Element(NamedTuple):
    """One result: labels, sorted, and a value."""

    labels: Labels
    value: Value


class Run(NamedTuple):
    """The same value, told so many times from `first` to `last`, UNIX milliseconds."""

    first: int
    last: int
    value: Value
    told: int


class Extent(NamedTuple):
    """A window in short: its first and last moment, how many samples were told, and the values without repeats."""

    first: int
    last: int
    told: int
    values: Sequence[Value]


@dataclass(slots=True)
class Track:
    """One series. A value of None marks where it ended; `times` are UNIX milliseconds, ascending.

    With `step_ms` above 0 a value is told again every so often until the next one, the last one until `until_ms`;
    those whose places are in `once` are not.
    """

    labels: Labels
    times: Sequence[int]
    values: Sequence[Value | None]
    step_ms: int = 0
    until_ms: int = 0
    once: frozenset[int] = frozenset()
    _bare: Labels | None = None
    _counts: list[int] = field(default_factory=list)  # how many were told before each sample, as far as it was asked
    _has_ended: bool = False  # whether any value so far is None

    @property
    def bare(self) -> Labels:
        """The labels without the metric's name, the same object each time."""
        if self._bare is None:
            self._bare = tuple(pair for pair in self.labels if pair[0] != NAME)
        return self._bare

    def go_on(self, same: int, times: Sequence[int], values: Sequence[Value | None]) -> None:
        """Other times and values, of which the first `same` are those from before."""
        self.times, self.values = times, values
        del self._counts[same:]

    def _counted(self) -> list[int]:
        """How many samples were told before each."""
        counts, times, step = self._counts, self.times, self.step_ms
        have = len(counts)
        if have < len(times):
            self._has_ended = self._has_ended or None in self.values[have:]
            if not have:
                counts.append(0)
            total = counts[-1]
            for one, later in pairwise(times[max(0, have - 1) :]):
                total += (later - one - 1) // step + 1
                counts.append(total)
        return counts

    def at(self, when_ms: int) -> Value | None:
        """What an instant selector finds."""
        place = bisect_right(self.times, when_ms) - 1
        if place < 0:
            return None
        told = self.times[place]
        if self.step_ms and place not in self.once:
            told = max(told, min(when_ms, self.until_ms))
        return self.values[place] if told > when_ms - LOOKBACK_MS else None

    def window(self, after_ms: int, until_ms: int) -> list[Run]:
        """What a range selector finds: later than `after_ms`, up to and including `until_ms`."""
        times, values = self.times, self.values
        low, high = bisect_right(times, after_ms), bisect_right(times, until_ms)
        if not self.step_ms:
            return [
                Run(at, at, value, 1)
                for at, value in zip(times[low:high], values[low:high], strict=True)
                if value is not None
            ]
        return list(self._runs(max(0, low - 1), high, after_ms, until_ms))

    def extent(self, after_ms: int, until_ms: int) -> Extent | None:
        """What `window` finds, in short; None where there is nothing."""
        times, step = self.times, self.step_ms
        low, high = bisect_right(times, after_ms), bisect_right(times, until_ms)
        if high <= low:
            return _extent(self.window(after_ms, until_ms))
        inner = self.values[low:high]
        if not step:
            if None in inner:
                return _extent(self.window(after_ms, until_ms))
            return Extent(times[low], times[high - 1], high - low, inner)  # type: ignore[arg-type]  # no value is None
        counts = self._counted()
        if (self._has_ended and None in inner) or not self._is_plain(low, high):
            return _extent(self.window(after_ms, until_ms))
        told, first, values = counts[high - 1] - counts[low] + 1, times[low], inner
        if low:  # what stood before, and is told again inside
            begun = times[low - 1]
            before = (after_ms - begun) // step
            again = (times[low] - 1 - begun) // step - before
            if again > 0:
                told, first = told + again, begun + (before + 1) * step
                values = [self.values[low - 1], *inner]
        begun, is_last = times[high - 1], high == len(times)
        end = min(until_ms, self.until_ms) if is_last else min(until_ms, times[high] - 1)
        final = (end - begun) // step
        last = begun + final * step
        if is_last and end == self.until_ms > last:
            final, last = final + 1, end
        return Extent(first, last, told + final, values)  # type: ignore[arg-type]  # no value is None

    def _is_plain(self, low: int, high: int) -> bool:
        """Whether nothing ended right before the window, and no sample of it is told once only."""
        if low and self.values[low - 1] is None:
            return False
        once = self.once
        return not once or max(once) < low - 1 or not any(low - 1 <= place < high for place in once)

    def _runs(self, low: int, high: int, after_ms: int, until_ms: int) -> Iterator[Run]:
        for place in range(low, high):
            value, begun = self.values[place], self.times[place]
            if value is None:
                continue
            if place in self.once:
                if begun > after_ms:
                    yield Run(begun, begun, value, 1)
                continue
            is_last = place + 1 == len(self.times)
            end = min(until_ms, self.until_ms if is_last else self.times[place + 1] - 1)
            first = max(0, (after_ms - begun) // self.step_ms + 1)
            final = (end - begun) // self.step_ms
            count, last = final - first + 1, begun + final * self.step_ms
            if is_last and end == self.until_ms > last and end > after_ms:  # the moment of the latest collection
                count, last = count + 1, end
            if count > 0:
                yield Run(begun + first * self.step_ms if count > 1 or last != end else last, last, value, count)


def _extent(runs: Sequence[Run]) -> Extent | None:
    if not runs:
        return None
    return Extent(runs[0].first, runs[-1].last, sum(run.told for run in runs), [run.value for run in runs])


class Source(Protocol):
    """Where tracks come from."""

    def find(self, selector: Selector) -> Iterable[Track]:
        """The tracks that a selector takes."""
        ...


class Tracks:
    """A source of tracks that are all at hand."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._by_name: dict[str, list[Track]] = {}
        for track in tracks:
            self._by_name.setdefault(dict(track.labels).get(NAME, ""), []).append(track)

    def find(self, selector: Selector) -> Iterable[Track]:
        """See `Source.find`."""
        return matching(selector, self._by_name.keys(), lambda name: self._by_name.get(name, ()))


def matching(selector: Selector, names: Iterable[str], of_name: Callable[[str], Iterable[Track]]) -> Iterator[Track]:
    """The tracks of a selector's name, or of all names, that meet its matchers."""
    chosen = [selector.name] if selector.name is not None else list(names)
    matchers = selector.matchers
    for name in chosen:
        for track in of_name(name):
            if not matchers:
                yield track
                continue
            labels: Mapping[str, str] = dict(track.labels)
            if all(each.holds(labels.get(each.name, "")) for each in matchers):
                yield track
