"""Stored ratings, read back: averages, distribution, the latest, response rate, and what each rated trace was like."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spanwatch.core.feedback.averages import Average, Share, Sums, average, share
from spanwatch.core.feedback.rating import Rating, rating_from
from spanwatch.core.names import EXECUTE_TOOL
from spanwatch.store import database
from spanwatch.store.rated import ROOT
from spanwatch.store.rows import FEEDBACK_COLUMNS
from spanwatch.store.windows import FOREVER

Axis = Literal["user", "agent", "model", "version", "prompt"]
AXES: Mapping[str, str] = {
    "user": "user_id",
    "agent": "agent",
    "model": "model",
    "version": "app_version",
    "prompt": "prompt",
}
_NAMES = ("id", "source", "at_ns", *FEEDBACK_COLUMNS[3:])
_COLUMNS = ", ".join(FEEDBACK_COLUMNS)
_SUMS = "count(rating), sum(rating), sum(rating * rating)"


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `since_ns` on and before `until_ns`, UNIX nanoseconds."""

    since_ns: int = 0
    until_ns: int = FOREVER


@dataclass(frozen=True, slots=True)
class Rated:
    """A rating and what its trace was like. `nano_usd` is what its calls cost, None when that is not known."""

    rating: Rating
    models: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    seconds: float | None = None
    nano_usd: int | None = None


def sums_by(db: sqlite3.Connection, window: Stretch, axis: Axis | None = None) -> dict[str, Sums]:
    """Sums of ratings by an axis ('' where it is not known), or of all under ''."""
    column = "''" if axis is None else f"coalesce({AXES[axis]}, '')"
    question = f"SELECT {column}, {_SUMS} FROM feedback WHERE at >= ? AND at < ? GROUP BY 1"  # noqa: S608 (constants)
    rows = db.execute(question, (window.since_ns, window.until_ns))
    return {key: Sums(n, total or 0.0, squares or 0.0) for key, n, total, squares in rows}


def averages(home: Path, window: Stretch, axis: Axis) -> dict[str, Average]:
    """The average of each user, agent, model, version or prompt, the most rated first.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        found = sums_by(db, window, axis)
    ordered = sorted(found.items(), key=lambda item: (-item[1].n, item[0]))
    return {key: average(each) for key, each in ordered if each.n}


def overall(home: Path, window: Stretch) -> Sums:
    """The sums of all ratings of a window.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        return sums_by(db, window).get("", Sums())


def distribution(home: Path, window: Stretch) -> dict[str, int]:
    """How often each label was given: `1` to `5` for ratings and scores, else the word; the most frequent first.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    question = "SELECT label, count(*) FROM feedback WHERE at >= ? AND at < ? GROUP BY 1 ORDER BY 2 DESC, 1"
    with database.reading(home) as db:
        return dict(db.execute(question, (window.since_ns, window.until_ns)))


def response_rate(home: Path, window: Stretch) -> Share:
    """Which share of the traces that began in a window has been rated, at any time; each trace counts once.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    question = (
        "SELECT count(*), sum(EXISTS (SELECT 1 FROM feedback f WHERE f.trace_id = t.trace_id)) FROM traces t "
        "WHERE started_ns >= ? AND started_ns < ?"
    )
    with database.reading(home) as db:
        traces, rated = db.execute(question, (window.since_ns, window.until_ns)).fetchone()
    return share(rated or 0, traces)


def ratings(home: Path, window: Stretch, *, low: float | None = None, limit: int | None = None) -> list[Rating]:
    """Ratings, the latest first; those at or below `low` only when it is given.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        return list(_selected(db, window, low, limit))


def rated(
    home: Path, window: Stretch, *, low: float | None = None, limit: int | None = None, said: bool = False
) -> list[Rated]:
    """Ratings with what their traces were like, the latest first; with `said` those with a comment.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        found = list(_selected(db, window, low, limit, said=said))
        facts = _facts(db, found)
    return [_joined(each, facts.get(each.trace_id or "")) for each in found]


def located(home: Path, feedback_id: str) -> Rating | None:
    """One rating by its id, or None.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    with database.reading(home) as db:
        row = db.execute(f"SELECT {_COLUMNS} FROM feedback WHERE feedback_id = ?", (feedback_id,)).fetchone()  # noqa: S608 (constants)
    return None if row is None else _rating(row)


def root_span(home: Path, trace_id: str) -> tuple[str, bool] | None:
    """The id of a trace's outermost span and whether it was sampled, or None when the trace is not known.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    spans = f"SELECT ({ROOT.format(trace='?')}), 1"
    calls = "SELECT span_id, sampled FROM calls WHERE trace_id = ? AND span_id IS NOT NULL ORDER BY started_ns LIMIT 1"
    with database.reading(home) as db:
        found = [db.execute(question, (trace_id,)).fetchone() for question in (spans, calls)]
    return next(((row[0], bool(row[1])) for row in found if row is not None and row[0] is not None), None)


class _Facts:
    __slots__ = ("errors", "models", "nano_usd", "seconds", "tools", "unpriced")

    def __init__(self) -> None:
        self.models: dict[str, None] = {}
        self.tools: dict[str, None] = {}
        self.errors: dict[str, None] = {}
        self.seconds: float | None = None
        self.nano_usd: int | None = None
        self.unpriced = False


_TRACES = "(SELECT DISTINCT value AS trace_id FROM json_each(?)) r"
_CALLS = (
    "SELECT c.trace_id, coalesce(c.response_model, c.request_model), c.error_type, c.status, c.nano_usd, c.counted "  # noqa: S608 (constants)
    f"FROM {_TRACES} JOIN calls c ON c.trace_id = r.trace_id"
)
_TIMES = f"SELECT t.trace_id, t.ended_ns - t.started_ns FROM {_TRACES} JOIN traces t ON t.trace_id = r.trace_id"  # noqa: S608 (constants)
_TOOL = f"{EXECUTE_TOOL} "
_TOOLS = (
    f"SELECT s.trace_id, s.name, s.failed FROM {_TRACES} JOIN spans s ON s.trace_id = r.trace_id "  # noqa: S608 (constants)
    f"WHERE s.name >= '{_TOOL}' AND s.name < '{EXECUTE_TOOL}!'"
)


def _facts(db: sqlite3.Connection, found: list[Rating]) -> dict[str, _Facts]:
    """What the rated traces were like, in three passes over indexes."""
    traces = (json.dumps([each.trace_id for each in found if each.trace_id]),)
    facts: defaultdict[str, _Facts] = defaultdict(_Facts)
    _add_calls(facts, db.execute(_CALLS, traces))
    for trace_id, length in db.execute(_TIMES, traces):
        facts[trace_id].seconds = length / 1e9
    for trace_id, name, failed in db.execute(_TOOLS, traces):
        tool = name.removeprefix(_TOOL)
        facts[trace_id].tools[tool] = None
        if failed:
            facts[trace_id].errors[f"tool {tool}"] = None
    return facts


def _add_calls(facts: defaultdict[str, _Facts], calls: Iterable[Any]) -> None:
    for trace_id, model, error, status, nano, counted in calls:
        fact = facts[trace_id]
        if model:
            fact.models[model] = None
        if status == "error":
            fact.errors[error or "error"] = None
        if nano is not None:
            fact.nano_usd = nano + (fact.nano_usd or 0)
        elif counted and status != "error":
            fact.unpriced = True


def _joined(found: Rating, fact: _Facts | None) -> Rated:
    if fact is None:
        return Rated(found)
    cost = None if fact.unpriced else fact.nano_usd
    return Rated(found, tuple(fact.models), tuple(fact.tools), tuple(fact.errors), fact.seconds, cost)


def _selected(
    db: sqlite3.Connection, window: Stretch, low: float | None, limit: int | None, *, said: bool = False
) -> Iterator[Rating]:
    which = ("" if low is None else " AND rating <= ?") + (" AND comment IS NOT NULL" if said else "")
    values = (window.since_ns, window.until_ns, *(() if low is None else (low,)), -1 if limit is None else limit)
    question = f"SELECT {_COLUMNS} FROM feedback WHERE at >= ? AND at < ?{which} ORDER BY at DESC, id DESC LIMIT ?"  # noqa: S608 (constants)
    return (_rating(row) for row in db.execute(question, values))


def _rating(row: tuple[Any, ...]) -> Rating:
    body = dict(zip(_NAMES, row, strict=True))
    body["tags"] = json.loads(body["tags"]) if body["tags"] else ()
    return rating_from(body)
