"""Forgetting one user: rows, roll-ups, what the journal still holds, and the bytes that deleted rows leave behind."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spanwatch.core.budgets.scopes import concerns
from spanwatch.core.errors import StoreError
from spanwatch.core.names import USER_ID
from spanwatch.core.records import lines
from spanwatch.store import alerts, database, files, rollups, samples, segments
from spanwatch.store import home as places
from spanwatch.store.batch import Batch
from spanwatch.store.projection import project
from spanwatch.store.rows import Body, text_or_none
from spanwatch.store.segments import Segment

_PIECE = 1 << 20
_Ids = set[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went: rows by table, records overwritten in journals still written, files set aside, alerts from history."""

    calls: int = 0
    spans: int = 0
    logs: int = 0
    feedback: int = 0
    journal_records: int = 0
    set_aside: int = 0
    alerts: int = 0


def forget(home: Path, user: str) -> Forgotten:
    """Remove everything of one user: calls and spans that carry the id, the spans below those, their logs and ratings.

    So go the samples of metrics that the id, or the user's account of a budget, is a label of. A span below that names
    another user, and what is below it, stays. Damaged databases that were set aside go whole, because they may hold the
    user's rows. Records in journals of running processes are overwritten in place. Of what lies beside the store, the
    history of alerts loses those of the user, in any rule's labels; alerts that still stand stay until they are over,
    and accounts of budgets until their window is, without which a limit would begin anew.

    Raises:
        StoreError: there is no store here, or it cannot be written.
        OSError, sqlite3.Error: a full disk, a lock held too long.
    """
    if not places.exists(home):
        raise StoreError(database.nothing_in(home))
    project(home)
    with database.writing(home) as db:
        db.execute("PRAGMA secure_delete = ON")
        with database.transaction(db):
            ends = [(segment, _store_rest(db, segment)) for segment in segments.segments(home)]
            spans = _spans_of(db, user)
            done = _delete(db, user, spans)
            overwritten = sum(_overwrite(segment, end, user, spans) for segment, end in ends)
        alone = database.give_back(db)
    if not alone:
        raise StoreError(f"the rows are removed, but a reader keeps old pages of {home} alive: run it again later")
    aside = places.set_aside_files(home)
    for path in aside:
        path.unlink(missing_ok=True)
    return Forgotten(*done, overwritten, len(aside), _forget_alerts(home, user))


def _forget_alerts(home: Path, user: str) -> int:
    if not alerts.is_kept(home):
        return 0
    book = alerts.AlertBook(home)
    try:
        return book.forget(lambda alert: concerns(user, alert.labels))
    finally:
        book.close()


def _store_rest(db: sqlite3.Connection, segment: Segment) -> int:
    """Store what was written since the projection; how far the segment is stored, 0 when it is gone."""
    with contextlib.suppress(FileNotFoundError), segments.opened(segment) as descriptor:
        if not segments.is_removed(descriptor):
            batch = Batch(db, segment, descriptor)
            while batch.end < segment.size and (piece := segments.read(descriptor, batch.end, _PIECE)).data:
                batch.store(piece)
            return batch.end
    return 0


def _spans_of(db: sqlite3.Connection, user: str) -> _Ids:
    """Trace and span ids of the user's spans, those of the user's calls, and those below that name nobody else."""
    own = db.execute(
        "SELECT trace_id, span_id FROM spans WHERE user_id = :user UNION SELECT c.trace_id, c.span_id FROM calls c "
        "LEFT JOIN spans s ON s.trace_id = c.trace_id AND s.span_id = c.span_id "
        "WHERE c.user_id = :user AND c.span_id IS NOT NULL AND coalesce(s.user_id, :user) = :user",
        {"user": user},
    ).fetchall()
    found: _Ids = set(own)
    for trace_id in sorted({trace_id for trace_id, _ in own}):
        children: dict[str, list[str]] = {}
        below = "SELECT span_id, parent_id FROM spans WHERE trace_id = ? AND parent_id IS NOT NULL AND user_id IS NULL"
        for span_id, parent_id in db.execute(below, (trace_id,)):
            children.setdefault(parent_id, []).append(span_id)
        waiting = [span_id for trace, span_id in own if trace == trace_id]
        while waiting:
            for child in children.pop(waiting.pop(), ()):
                found.add((trace_id, child))
                waiting.append(child)
    return found


def _delete(db: sqlite3.Connection, user: str, spans: _Ids) -> tuple[int, int, int, int]:
    """Delete rows and compute the roll-ups they were in anew; calls, spans, logs and ratings that went."""
    db.execute("CREATE TEMP TABLE doomed (trace_id TEXT, span_id TEXT, PRIMARY KEY (trace_id, span_id)) WITHOUT ROWID")
    db.executemany("INSERT INTO doomed VALUES (?, ?)", spans)
    mine = "user_id = ? OR (user_id IS NULL AND (trace_id, span_id) IN (SELECT trace_id, span_id FROM doomed))"
    wanted = f"SELECT id, started_ns, response_id, trace_id, span_id FROM calls WHERE {mine}"  # noqa: S608 (constants)
    calls = db.execute(wanted, (user,)).fetchall()
    db.executemany("DELETE FROM settlements WHERE response_id = ?", [(call[2],) for call in calls if call[2]])
    named = [(key,) for call in calls for key in (call[2], call[4]) if key]
    db.executemany("DELETE FROM stated_costs WHERE call = ?", named)
    db.executemany("DELETE FROM calls WHERE id = ?", [call[:1] for call in calls])
    rollups.rebuild(db, {call[1] for call in calls})
    gone = db.execute(
        "DELETE FROM spans WHERE id IN (SELECT id FROM doomed JOIN spans USING (trace_id, span_id))"
    ).rowcount
    logs = db.execute(f"DELETE FROM logs WHERE {mine}", (user,)).rowcount  # noqa: S608 (constants)
    ratings = db.execute(f"DELETE FROM feedback WHERE {mine}", (user,)).rowcount  # noqa: S608 (constants)
    db.execute("DELETE FROM interactions WHERE (trace_id, span_id) IN (SELECT trace_id, span_id FROM doomed)")
    touched = {trace for trace, _ in spans} | {call[3] for call in calls}
    _drop_empty_traces(db, touched)
    samples.drop_of(db, user)
    db.execute("DROP TABLE doomed")
    return len(calls), gone, logs, ratings


def _drop_empty_traces(db: sqlite3.Connection, touched: Iterable[str]) -> None:
    db.executemany(
        "DELETE FROM traces WHERE trace_id = :id AND NOT EXISTS (SELECT 1 FROM spans WHERE trace_id = :id) "
        "AND NOT EXISTS (SELECT 1 FROM calls WHERE trace_id = :id)",
        [{"id": trace_id} for trace_id in touched],
    )


def _overwrite(segment: Segment, until: int, user: str, spans: _Ids) -> int:
    """Overwrite the user's lines of a segment with lines of equal length that say nothing; how many there were."""
    done = 0
    with contextlib.suppress(FileNotFoundError), segments.opened(segment, write=True) as descriptor:
        for start, end, body in _lines(descriptor, until):
            if _is_of(body, user, spans):
                files.write_at(descriptor, segments.blank(end - start, body["k"]), start)
                done += 1
    return done


def _lines(descriptor: int, until: int) -> Iterator[tuple[int, int, Body]]:
    start = 0
    while start < until and (piece := segments.read(descriptor, start, min(_PIECE, until - start))).data:
        for line in lines(piece.data, piece.start):
            if line.payload is not None and line.end <= until:
                yield start, line.end, line.payload
            start = line.end


def _is_of(body: Body, user: str, spans: _Ids) -> bool:
    """Whether a record is the user's, by the rules of the tables."""
    kind, attributes = body.get("k"), body.get("a")
    if kind in {"call", "feedback"}:
        owner, ids = body.get("user_id"), (body.get("trace_id"), body.get("span_id"))
    elif kind in {"span", "log"}:
        owner = text_or_none(attributes.get(USER_ID)) if isinstance(attributes, dict) else None
        ids = (body.get("t"), body.get("s"))
    else:
        return False
    return owner == user or ((owner is None or kind == "span") and ids in spans)
