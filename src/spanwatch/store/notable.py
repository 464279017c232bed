"""The traces of a window that one looks at first: the dearest and the slowest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spanwatch.core.names import REPORTED_COST
from spanwatch.store import database
from spanwatch.store.traces import TraceLine, line_of
from spanwatch.store.windows import between

_SLOWEST = (
    "SELECT trace_id, started_ns, ended_ns FROM traces WHERE started_ns >= ? AND started_ns < ? "
    "ORDER BY ended_ns - started_ns DESC, started_ns DESC, trace_id LIMIT ?"
)
_DEAREST = (
    "SELECT t.trace_id, t.started_ns, t.ended_ns FROM (SELECT trace_id, sum(nano_usd) AS nano FROM calls "  # noqa: S608 (constants)
    "INDEXED BY calls_by_start WHERE started_ns >= ? AND started_ns < ? AND nano_usd > 0 "
    f"AND (counted OR operation = '{REPORTED_COST}') GROUP BY trace_id ORDER BY nano DESC, trace_id LIMIT ?) c "
    "JOIN traces t ON t.trace_id = c.trace_id ORDER BY c.nano DESC, t.trace_id"
)


def slowest(
    home: Path, *, since_ns: int | None = None, until_ns: int | None = None, limit: int = 10
) -> list[TraceLine]:
    """The traces that began in [`since_ns`, `until_ns`) and took longest, the slowest first.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    return _lines(home, _SLOWEST, since_ns, until_ns, limit)


def dearest(
    home: Path, *, since_ns: int | None = None, until_ns: int | None = None, limit: int = 10
) -> list[TraceLine]:
    """The traces whose calls of [`since_ns`, `until_ns`) cost most, the dearest first; none whose cost is unknown.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    return _lines(home, _DEAREST, since_ns, until_ns, limit)


def lines_of(home: Path, trace_ids: Sequence[str]) -> list[TraceLine]:
    """These traces in this order, without those that are not there.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    question = "SELECT trace_id, started_ns, ended_ns FROM traces WHERE trace_id = ?"
    with database.reading(home) as db:
        found = [db.execute(question, (trace_id,)).fetchone() for trace_id in trace_ids]
        return [line_of(db, *row) for row in found if row is not None]


def _lines(home: Path, question: str, since_ns: int | None, until_ns: int | None, limit: int) -> list[TraceLine]:
    with database.reading(home) as db:
        found = db.execute(question, (*between(since_ns, until_ns), limit)).fetchall()
        return [line_of(db, *row) for row in found]
