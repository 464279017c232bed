"""Trends of the stored ratings: against the window before, by property, and change points."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spanwatch.core.feedback.averages import sums
from spanwatch.core.feedback.rating import LOW
from spanwatch.core.feedback.trends import (
    ChangePoint,
    Lift,
    MeanChange,
    change,
    change_points,
    changes,
    cost,
    gathered,
    latency,
    lifts,
)
from spanwatch.core.names import EXECUTE_TOOL
from spanwatch.store import database
from spanwatch.store.feedback import Stretch

_NONE = ("none",)
_TOOL = f"{EXECUTE_TOOL} "

# Three streams of the same ratings in the order of their ids, read side by side: nothing is sorted, nothing kept.
_OF_WINDOW = "FROM feedback f INDEXED BY feedback_by_time {join} WHERE f.at >= ? AND f.at < ? AND f.rating IS NOT NULL "
_ORDER = "ORDER BY f.at, f.id"
_RATINGS = (
    "SELECT f.id, f.at, f.rating, f.model, f.agent, f.app_version, f.prompt, t.ended_ns - t.started_ns "
    + _OF_WINDOW.format(join="LEFT JOIN traces t ON t.trace_id = f.trace_id")
    + _ORDER
)
_CALLS = (
    "SELECT f.id, coalesce(c.response_model, c.request_model), c.status, c.error_type, c.nano_usd, c.counted "
    + _OF_WINDOW.format(join="CROSS JOIN calls c ON c.trace_id = f.trace_id")
    + _ORDER
)
_TOOLS = (
    "SELECT f.id, s.name, s.failed "
    + _OF_WINDOW.format(join="CROSS JOIN spans s ON s.trace_id = f.trace_id")
    + f"AND s.name >= '{_TOOL}' AND s.name < '{EXECUTE_TOOL}!' "
    + _ORDER
)


@dataclass(frozen=True, slots=True)
class Trends:
    """How ratings have moved. Times are UNIX nanoseconds.

    `change` is over all ratings of the window against the one before it of equal length, `by` the same for each value
    of model, agent, version, prompt, tool, error, latency and cost; `lifts` are what low ratings of the window have in
    common, the surest first; `points` are where the level has changed in either window.
    """

    since_ns: int
    until_ns: int
    change: MeanChange
    by: Mapping[str, Mapping[str, MeanChange]]
    lifts: tuple[Lift, ...]
    points: tuple[ChangePoint, ...]


Properties = dict[str, tuple[str, ...]]


class Judged(NamedTuple):
    """A rating with what low ratings may have in common, by dimension."""

    at_ns: int
    rating: float
    properties: Properties


def trends(home: Path, window: Stretch, *, threshold: float = LOW) -> Trends:
    """The trends of a window with two ends.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    length = window.until_ns - window.since_ns
    with database.reading(home) as db:
        sequence: list[tuple[int, float]] = []
        there = gathered(_noted(judged(db, Stretch(window.since_ns - length, window.since_ns)), sequence), threshold)
        first = len(sequence)
        here = gathered(_noted(judged(db, window), sequence), threshold)
    return Trends(
        since_ns=window.since_ns,
        until_ns=window.until_ns,
        change=change(sums(rating for _, rating in sequence[first:]), sums(rating for _, rating in sequence[:first])),
        by=changes(here, there),
        lifts=tuple(lifts(here)),
        points=tuple(change_points(sequence)),
    )


def judged(db: sqlite3.Connection, window: Stretch) -> Iterator[Judged]:
    """Every rating of a window with its properties, in order of time."""
    values = (window.since_ns, window.until_ns)
    calls, tools = _Stream(db.execute(_CALLS, values)), _Stream(db.execute(_TOOLS, values))
    for id_, at, rating, model, agent, version, prompt, length in db.execute(_RATINGS, values):
        found: Properties = {}
        for dimension, value in (("agent", agent), ("version", version), ("prompt", prompt)):
            if value is not None:
                found[dimension] = (value,)
        if length is not None:
            found["latency"] = latency(length / 1e9)
        _add(found, model, calls.of(id_), tools.of(id_))
        yield Judged(at, rating, found)


def _noted(found: Iterator[Judged], sequence: list[tuple[int, float]]) -> Iterator[tuple[float, Properties]]:
    for at, rating, properties in found:
        sequence.append((at, rating))
        yield rating, properties


def _add(found: Properties, model: str | None, calls: list[Any], tools: list[Any]) -> None:
    """What the calls and tools of a trace say. Of a known trace it is a fact, too, that there was no tool or error."""
    errors = [f"tool {name.removeprefix(_TOOL)}" for _, name, failed in tools if failed]
    models, nano, unpriced = dict.fromkeys(() if model is None else (model,)), None, False
    for _, used, status, error, nano_usd, counted in calls:
        if used:
            models[used] = None
        if status == "error":
            errors.append(error or status)
        elif nano_usd is None:
            unpriced = unpriced or bool(counted)
        if nano_usd is not None:
            nano = nano_usd + (nano or 0)
    if models:
        found["model"] = tuple(models)
    if nano is not None and not unpriced:
        found["cost"] = cost(nano)
    if calls or tools:
        found["tool"] = tuple(dict.fromkeys(name.removeprefix(_TOOL) for _, name, _ in tools)) if tools else _NONE
        found["error"] = tuple(dict.fromkeys(errors)) if errors else _NONE


class _Stream:
    """Rows that belong to ratings, taken rating by rating in the order of the ratings."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, id_: int) -> list[Any]:
        """The rows of one rating."""
        found = []
        while self._next is not None and self._next[0] == id_:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found
