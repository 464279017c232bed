"""The calls of the last minutes or hours, kept in step by reading what is new, for views that look again and again.

Sums are exact. Percentiles come from a histogram with steps of 1 %, so that a million calls take no more room than a
thousand. What changes a call that was read already (usage that came later, a forgotten user) shows at the next whole
reading, which takes at most half a percent of the time.
"""

from __future__ import annotations

import heapq
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spanwatch.core.names import REPORTED_COST
from spanwatch.store import database
from spanwatch.store.schema import MEASURES
from spanwatch.store.summary import Axis, Group, Percentiles, Sums

SLOTS = 60
MOST_TRACES = 50
AGAIN_S, SHARE = 60.0, 200  # a whole reading comes after so long, and after so many times as long as it took
_STEPS_PER_E = 100  # steps of a histogram for each factor of e: 1 % each
_AXES: tuple[Axis, ...] = ("model", "agent", "user")
_COLUMNS = (
    "id, started_ns, trace_id, counted, duration_ns, coalesce(response_model, request_model, ''), coalesce(agent, ''), "
    f"coalesce(user_id, ''), {', '.join(term for _, term in MEASURES)}"
)
_WHICH = f"(counted OR status = 'refused' OR operation = '{REPORTED_COST}')"
_WHOLE = f"SELECT {_COLUMNS} FROM calls INDEXED BY calls_by_start WHERE started_ns >= ? AND id <= ? AND {_WHICH}"  # noqa: S608 (constants)
_NEW = f"SELECT {_COLUMNS} FROM calls WHERE id > ? AND started_ns >= ? AND {_WHICH}"  # noqa: S608 (constants)
_FIRST = 8  # where measures begin in a row
_MONEY = [name for name, _ in MEASURES].index("nano_usd")  # which of them is nano-USD

Row = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """One slot of the window: what began in it."""

    at_ns: int
    calls: int
    errors: int
    nano_usd: int | None
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """The window as it is now. `dearest` are ids of traces with what their calls of the window cost, in nano-USD."""

    since_ns: int
    until_ns: int
    sums: Sums
    duration: Percentiles
    groups: Mapping[Axis, tuple[Group, ...]]
    moments: tuple[Moment, ...]
    dearest: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _Slot:
    """What began in one slot."""

    sums: dict[Axis, dict[str, list[int | None]]] = field(default_factory=lambda: {axis: {} for axis in _AXES})
    durations: Counter[int] = field(default_factory=Counter)
    traces: dict[str, int] = field(default_factory=dict)
    moment: Moment | None = None  # computed from what is here now

    def add(self, row: Row) -> None:
        """Count one call."""
        measures = row[_FIRST:]
        self.moment = None
        for axis, key in zip(_AXES, row[5:8], strict=True):
            _add(self.sums[axis], str(key), measures)
        if row[3]:
            self.durations[_step(row[4] or 0)] += 1
        if measures[_MONEY]:
            trace_id = str(row[2])
            self.traces[trace_id] = self.traces.get(trace_id, 0) + (measures[_MONEY] or 0)


@dataclass(slots=True)
class _Merged:
    """What several slots add up to."""

    sums: dict[Axis, dict[str, list[int | None]]] = field(default_factory=lambda: {axis: {} for axis in _AXES})
    durations: Counter[int] = field(default_factory=Counter)
    traces: dict[str, int] = field(default_factory=dict)

    def plus(self, slots: Iterable[_Slot]) -> _Merged:
        """The same and more slots; this one stays as it is."""
        whole = _Merged(
            {axis: {key: [*sums] for key, sums in groups.items()} for axis, groups in self.sums.items()},
            self.durations.copy(),
            self.traces.copy(),
        )
        for slot in slots:
            for axis in _AXES:
                for key, sums in slot.sums[axis].items():
                    _add(whole.sums[axis], key, sums)
            whole.durations.update(slot.durations)
            for trace_id, nano in slot.traces.items():
                whole.traces[trace_id] = whole.traces.get(trace_id, 0) + nano
        return whole


class Recent:
    """The calls of a store that began in the last `window_s`; not for several threads at once."""

    def __init__(self, home: Path, window_s: float) -> None:
        self.home = home
        self.step_ns = max(int(window_s * 1e9) // SLOTS, 1)
        self._slots: dict[int, _Slot] = {}
        self._closed: tuple[int, _Merged] | None = None  # all slots before one, merged; None when one has changed
        self._last = 0
        self._again_s = -math.inf

    def look(self, now_ns: int) -> Look:
        """Read what is new; what the window has now.

        Raises:
            StoreError: there is no store here, or it cannot be read.
        """
        newest = now_ns // self.step_ns
        oldest = newest - SLOTS + 1
        for at in [at for at in self._slots if at < oldest]:
            del self._slots[at]
        began = time.monotonic()
        with database.reading(self.home) as db:
            end: int = db.execute("SELECT coalesce(max(id), 0) FROM calls").fetchone()[0]
            if began >= self._again_s or end < self._last:
                self._slots.clear()
                self._closed = None
                self._take(db.execute(_WHOLE, (oldest * self.step_ns, end)))
                took = time.monotonic() - began
                self._again_s = began + max(AGAIN_S, SHARE * took)
            elif end > self._last:
                self._take(db.execute(_NEW, (self._last, oldest * self.step_ns)))
            self._last = end
        return self._looked(oldest, newest, now_ns)

    def _take(self, rows: Iterable[Row] | sqlite3.Cursor) -> None:
        for row in rows:
            at = (row[1] or 0) // self.step_ns
            slot = self._slots.get(at)
            if slot is None:
                slot = self._slots[at] = _Slot()
            slot.add(row)
            if self._closed is not None and at < self._closed[0]:
                self._closed = None

    def _looked(self, oldest: int, newest: int, now_ns: int) -> Look:
        if self._closed is None or self._closed[0] != newest:
            before = (slot for at, slot in self._slots.items() if oldest <= at < newest)
            self._closed = newest, _Merged().plus(before)
        whole = self._closed[1].plus(filter(None, [self._slots.get(newest)]))
        groups = {axis: _ordered(whole.sums[axis]) for axis in _AXES}
        return Look(
            since_ns=oldest * self.step_ns,
            until_ns=now_ns,
            sums=sum((group.sums for group in groups["model"]), Sums()),
            duration=_percentiles(whole.durations),
            groups=groups,
            moments=tuple(_moment(at * self.step_ns, self._slots.get(at)) for at in range(oldest, newest + 1)),
            dearest=tuple(heapq.nsmallest(MOST_TRACES, whole.traces.items(), key=lambda item: (-item[1], item[0]))),
        )


def _add(groups: dict[str, list[int | None]], key: str, measures: Sequence[int | None]) -> None:
    sums = groups.get(key)
    if sums is None:
        groups[key] = [*measures]
        return
    for at, more in enumerate(measures):
        if more:
            sums[at] = more + (sums[at] or 0)
        elif more == 0 and sums[at] is None:
            sums[at] = 0


def _ordered(found: Mapping[str, Sequence[int | None]]) -> tuple[Group, ...]:
    groups = [Group(key, Sums.of(measures)) for key, measures in found.items()]
    return tuple(sorted(groups, key=lambda each: (-(each.sums.nano_usd or 0), -each.sums.calls, each.key)))


def _moment(at_ns: int, slot: _Slot | None) -> Moment:
    if slot is None:
        return Moment(at_ns, 0, 0, None, None, None, None)
    if slot.moment is None:
        sums = sum(map(Sums.of, slot.sums["agent"].values()), Sums())
        found = _percentiles(slot.durations)
        slot.moment = Moment(at_ns, sums.calls, sums.errors, sums.nano_usd, found.p50, found.p95, found.p99)
    return slot.moment


def _step(duration_ns: int) -> int:
    return math.floor(math.log(max(duration_ns, 1)) * _STEPS_PER_E)


def _percentiles(durations: Counter[int]) -> Percentiles:
    """Nearest ranks; each is the middle of its step, at most 0.5 % off."""
    count = durations.total()
    if not count:
        return Percentiles()
    ranks, seen = [math.ceil(share * count) for share in (0.5, 0.95, 0.99)], 0
    found: list[float] = []
    for step in sorted(durations):
        seen += durations[step]
        while len(found) < len(ranks) and seen >= ranks[len(found)]:
            found.append(math.exp((step + 0.5) / _STEPS_PER_E) / 1e9)
    return Percentiles(count, *found)
