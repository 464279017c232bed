"""A bounded ring of samples: one in each slot of `fine_ns` for an hour, then one in each 5 minutes for 3 days.

A sample stands until the next one: what does not change is not stored again. A sample that is the beginning of a
series, or the last before a reset, is an anchor and outlives the thinning, so that no increase is lost to it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from spanwatch.core.names import METRIC_OVERFLOW
from spanwatch.core.points import ADDING, Identity, Labels, Point, added, is_reset, zero

SECOND_NS = 1_000_000_000
FINE_FOR_NS = 3_600 * SECOND_NS
COARSE_NS = 300 * SECOND_NS
KEEP_NS = 3 * 86_400 * SECOND_NS
STALE_NS = 300 * SECOND_NS
MAX_SERIES = 2_000
MAX_BYTES = 32 * 1024 * 1024

_SAMPLE_BYTES = 112  # of Python around the numbers: the object, its place in the list, the header of the bytes
_SERIES_BYTES = 1_536
_OVERFLOW: Labels = ((METRIC_OVERFLOW, "true"),)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a series stood at from `at_ns` on; `packed` is None where it is no longer reported."""

    at_ns: int
    packed: bytes | None
    anchor: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """One series of one process: its samples by time, and when that process was last heard of."""

    identity: Identity
    samples: tuple[Sample, ...]
    seen_ns: int
    resource: Labels = ()


class _Track:
    __slots__ = ("samples", "seen_ns", "sent", "thinned")

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.seen_ns = 0  # when it was last reported
        self.thinned = 0  # as many samples are coarse already
        self.sent = 0  # what is newer has not been told


class Ring:
    """Samples of all series of one process. The caller has the lock.

    At most `max_series` series are kept; further ones of an instrument add up to one that is labelled
    `otel.metric.overflow`. Above `max_bytes` the oldest samples go: `since_ns` says how far back the rest reaches.
    """

    def __init__(
        self,
        *,
        fine_ns: int = 15 * SECOND_NS,
        max_series: int = MAX_SERIES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.fine_ns, self._max_series, self._max_bytes = fine_ns, max_series, max_bytes
        self.size, self.seen_ns, self.since_ns, self.overflowed = 0, 0, 0, False
        self._tracks: dict[Identity, _Track] = {}
        self._tidied_ns = 0

    def take(self, points: Sequence[Point], at_ns: int) -> None:
        """Keep one collection. Clocks that went back are taken to stand still."""
        at_ns = max(at_ns, self.seen_ns)
        admitted = self._admitted(points)
        for identity, point in admitted.items():
            self._keep(identity, point, at_ns)
        if len(admitted) < len(self._tracks):
            for identity, track in self._tracks.items():
                if (
                    identity not in admitted
                    and track.samples[-1].packed is not None
                    and _is_over(identity, track, at_ns)
                ):
                    self._append(track, Sample(at_ns, None))
        self.seen_ns = at_ns
        if at_ns - self._tidied_ns >= COARSE_NS or self.size > self._max_bytes:
            self._tidy(at_ns)

    def series(self, name: str | None = None) -> Iterator[tuple[Identity, tuple[Sample, ...]]]:
        """The series of one instrument, or of all."""
        for identity, track in self._tracks.items():
            if name is None or identity.name == name:
                yield identity, tuple(track.samples)

    def news(self) -> list[tuple[Identity, tuple[Sample, ...]]]:
        """What was kept since what was `told`, anchors that became so included."""
        news = []
        for identity, track in self._tracks.items():
            start = bisect_right(track.samples, track.sent, key=lambda each: each.at_ns)
            if start < len(track.samples):
                if start and track.samples[start - 1].anchor:
                    start -= 1
                news.append((identity, tuple(track.samples[start:])))
        return news

    def told(self, news: Sequence[tuple[Identity, Sequence[Sample]]]) -> None:
        """These news have arrived."""
        for identity, samples in news:
            if identity in self._tracks:
                self._tracks[identity].sent = samples[-1].at_ns

    def _admitted(self, points: Sequence[Point]) -> dict[Identity, Point]:
        admitted: dict[Identity, Point] = {}
        surplus: dict[Identity, list[Point]] = {}
        for point in points:
            identity = point.identity
            if identity.labels == _OVERFLOW or (identity not in self._tracks and not self._has_room(admitted)):
                surplus.setdefault(replace(identity, labels=_OVERFLOW), []).append(point)
            elif identity in admitted:  # two meters of one name: one series
                admitted[identity] = _joined([admitted[identity], point])
            else:
                admitted[identity] = point
        for identity, folded in surplus.items():
            if identity in self._tracks or len(self._tracks) < 2 * self._max_series:
                admitted[identity] = _joined(folded)
        return admitted

    def _has_room(self, admitted: dict[Identity, Point]) -> bool:
        """Whether one more series may be kept; once it may not, none ever, or what overflowed would count twice."""
        if not self.overflowed and len(self._tracks.keys() | admitted.keys()) >= self._max_series:
            self.overflowed = True
        return not self.overflowed

    def _keep(self, identity: Identity, point: Point, at_ns: int) -> None:
        track = self._tracks.get(identity)
        if track is None:
            track = self._tracks[identity] = _Track()
            self.size += _SERIES_BYTES
        track.seen_ns = at_ns
        last = track.samples[-1] if track.samples else None
        if identity.kind in ADDING:
            known = next((each for each in reversed(track.samples) if each.packed is not None), None)
            if known is None or point.start_ns > known.at_ns:
                begun = at_ns - 1 if known is None and not point.start_ns else min(point.start_ns, at_ns - 1)
                self._anchor_last(track)
                floor = track.samples[-1].at_ns + 1 if track.samples else 0
                self._append(track, Sample(max(begun, floor), zero(identity, point.packed), anchor=True))
                last = None
            elif known.packed is not None and known is last and is_reset(identity, known.packed, point.packed):
                self._anchor_last(track)
        if last is not None and last.packed == point.packed:
            return
        if last is not None and not last.anchor and last.at_ns // self.fine_ns == at_ns // self.fine_ns:
            self._drop_last(track)
        self._append(track, Sample(max(at_ns, track.samples[-1].at_ns + 1 if track.samples else 0), point.packed))

    def _append(self, track: _Track, sample: Sample) -> None:
        track.samples.append(sample)
        self.size += _cost(sample)

    def _drop_last(self, track: _Track) -> None:
        self.size -= _cost(track.samples.pop())
        track.thinned = min(track.thinned, len(track.samples))

    def _anchor_last(self, track: _Track) -> None:
        if track.samples and track.samples[-1].packed is not None:
            track.samples[-1] = replace(track.samples[-1], anchor=True)

    def _tidy(self, now_ns: int) -> None:
        self._tidied_ns = now_ns
        for track in self._tracks.values():
            self._thin(track, (now_ns - FINE_FOR_NS) // COARSE_NS * COARSE_NS)
        self._forget(now_ns - KEEP_NS)
        while self.size > self._max_bytes:
            oldest = min((track.samples[0].at_ns for track in self._tracks.values() if track.samples), default=now_ns)
            if oldest >= now_ns:
                return
            self._forget(oldest + max(1, (now_ns - oldest) // 8))

    def _thin(self, track: _Track, until_ns: int) -> None:
        """Of each whole slot before `until_ns` keep the last sample, and anchors."""
        end = bisect_right(track.samples, until_ns - 1, key=lambda each: each.at_ns)
        slots = track.samples[track.thinned : end]
        if not slots:
            return
        kept = [
            sample
            for sample, after in zip(slots, [*slots[1:], None], strict=True)
            if sample.anchor or after is None or after.at_ns // COARSE_NS != sample.at_ns // COARSE_NS
        ]
        if len(kept) < len(slots):
            self.size -= sum(map(_cost, slots)) - sum(map(_cost, kept))
            track.samples[track.thinned : end] = kept
        track.thinned += len(kept)

    def _forget(self, until_ns: int) -> None:
        """Drop what ended before; the sample that stood then stays."""
        self.since_ns = max(self.since_ns, until_ns)
        for identity, track in list(self._tracks.items()):
            end = bisect_right(track.samples, until_ns, key=lambda each: each.at_ns) - 1
            if end > 0:
                self.size -= sum(map(_cost, track.samples[:end]))
                del track.samples[:end]
                track.thinned = max(0, track.thinned - end)
            if len(track.samples) == 1 and track.samples[0].packed is None and not self.overflowed:
                self.size -= _SERIES_BYTES + _cost(track.samples[0])
                del self._tracks[identity]


def _joined(points: Sequence[Point]) -> Point:
    """Several points of one series as one."""
    first = points[0]
    if len(points) == 1:
        return first
    return Point(
        first.identity, min(each.start_ns for each in points), added(first.identity, [p.packed for p in points])
    )


def _is_over(identity: Identity, track: _Track, at_ns: int) -> bool:
    """Whether a series that is not reported has ended. Gauges need not have: SDKs may report them only when set."""
    return identity.kind != "gauge" or at_ns - track.seen_ns > STALE_NS


def _cost(sample: Sample) -> int:
    return _SAMPLE_BYTES + len(sample.packed or b"")
