"""One piece of a segment on its way into the tables, inside the transaction of whoever made it."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

from spanwatch.core.names import EVALUATION_NAME
from spanwatch.core.records import lines
from spanwatch.store import late, rated, rollups, stated
from spanwatch.store.rows import (
    CALL_COLUMNS,
    INTERACTION_COLUMNS,
    LOG_COLUMNS,
    SPAN_COLUMNS,
    Body,
    Row,
    call_row,
    cost_body,
    feedback_row,
    interaction_row,
    log_row,
    span_row,
    storable,
)
from spanwatch.store.segments import Piece, Segment

DAMAGED = "journal_damaged"
_CHECKSUM = 9  # `crc32 ` in front of a line's JSON
_UNFIT = (KeyError, TypeError, ValueError, AttributeError, IndexError)
_UNSTORABLE = (ValueError, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.IntegrityError)


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 (constants)


_INSERT_CALL = _insert("calls", CALL_COLUMNS)
_INSERT_SPAN = _insert("spans", SPAN_COLUMNS)
_INSERT_LOG = _insert("logs", LOG_COLUMNS)
_INSERT_INTERACTION = _insert("interactions", INTERACTION_COLUMNS)
_INSERT_LOSS = _insert("losses", ("source", "number", "start", "at", "reason", "kind", "n"))
_TRACES = """
INSERT INTO traces SELECT trace_id, min(started_ns), max({end}) FROM {table} WHERE id > ? AND trace_id <> '' {besides}
GROUP BY trace_id ON CONFLICT (trace_id) DO UPDATE SET
started_ns = min(started_ns, excluded.started_ns), ended_ns = max(ended_ns, excluded.ended_ns)"""
# A rating's span comes days after the trace that it joins, which is no longer for it.
_NO_RATING = f"AND instr(body, '\"{EVALUATION_NAME}\"') = 0"
_TRACES_OF_SPANS = _TRACES.format(end="ended_ns", table="spans", besides=_NO_RATING)
_TRACES_OF_CALLS = _TRACES.format(end="started_ns + duration_ns", table="calls", besides="")


class Batch:
    """Takes the lines of one segment from `end` on; counts the records it stored and the lines it found damaged."""

    def __init__(self, db: sqlite3.Connection, segment: Segment, descriptor: int) -> None:
        self._db, self._segment = db, segment
        self.source = _source(db, segment.instance)
        row = db.execute("SELECT end FROM segments WHERE source = ? AND number = ?", (self.source, segment.number))
        self.end: int = (row.fetchone() or (0,))[0]
        if self.end > os.fstat(descriptor).st_size:  # cut short behind our back: ids make reading it again harmless
            self.end = 0
        self.records = self.damaged = 0
        self._calls: list[Row] = []
        self._spans: list[Row] = []
        self._logs: list[Row] = []
        self._losses: list[Row] = []
        self._feedback: list[Row] = []
        self._interactions: list[Row] = []
        self._settlements: list[Body] = []
        self._stated: list[Body] = []

    def store(self, piece: Piece) -> None:
        """Store every record of a piece, and how far it goes."""
        start, data = piece.start, piece.data
        for line in lines(data, piece.start):
            body = line.payload
            if body is None:
                self._damage(start)
            else:
                try:
                    self._take(body, start, data[start - piece.start + _CHECKSUM : line.end - piece.start - 1])
                except _UNFIT:
                    self._damage(start)
            start = line.end
        self._flush()
        self._advance(start)

    def give_up(self, torn: int) -> None:
        """Count what was torn off a finished segment's end, and step over it."""
        self._damage(self.end)
        self._flush()
        self._advance(self.end + torn)

    def _take(self, body: Body, start: int, text: bytes) -> None:
        match body.get("k"):
            case "span":
                self._spans.append(span_row(body, self.source, text.decode("ascii")))
                if (interaction := interaction_row(body)) is not None:
                    self._interactions.append(interaction)
            case "call":
                self._calls.append(call_row(body, self.source))
                if body.get("settles") and body.get("usage"):
                    self._settlements.append(body)
            case "log":
                self._logs.append(log_row(body, self.source, self._segment.number, start, text.decode("ascii")))
            case "cost":
                self._stated.append(cost_body(body))
            case "feedback":
                self._feedback.append(feedback_row(body, self.source))
            case "head":
                _describe(self._db, self.source, body)
                return
            case "dropped":
                self._lose(start, str(body["reason"]), str(body["kind"]), int(body["n"]))
                return
            case _:  # of a newer spanwatch, or blotted out
                return
        self.records += 1

    def _damage(self, start: int) -> None:
        self.damaged += 1
        self._lose(start, DAMAGED, "any", 1)

    def _lose(self, start: int, reason: str, kind: str, count: int) -> None:
        self._losses.append((self.source, self._segment.number, start, self._segment.changed_ns, reason, kind, count))

    def _flush(self) -> None:
        db = self._db
        before = rated.Ends.of(db)
        if self._spans:
            last = _last_id(db, "SELECT max(id) FROM spans")
            self._put(_INSERT_SPAN, self._spans)
            db.execute(_TRACES_OF_SPANS, (last,))
        if self._calls:
            last = _last_id(db, "SELECT max(id) FROM calls")
            added = self._put(_INSERT_CALL, self._calls)
            rollups.add_after(db, last)
            db.execute(_TRACES_OF_CALLS, (last,))
            if added < len(self._calls):
                late.complete(db, self._calls)
            late.settle(db, self._settlements)
        if self._calls or self._stated:
            stated.state(db, self._stated)
        self._put(_INSERT_LOG, self._logs)
        self._put(_INSERT_LOSS, self._losses)
        self._put(_INSERT_INTERACTION, self._interactions)
        self._put(rated.INSERT, self._feedback)
        rated.complete(db, before)

    def _put(self, statement: str, rows: list[Row]) -> int:
        """Insert rows; how many were new. Rows with values that SQLite does not take go in one by one, cleaned."""
        db, before = self._db, self._db.total_changes
        db.execute("SAVEPOINT put")
        try:
            db.executemany(statement, rows)
        except _UNSTORABLE:
            db.execute("ROLLBACK TO put")
            before = db.total_changes
            for row in rows:
                try:
                    db.execute(statement, storable(row))
                except _UNSTORABLE:
                    self.damaged += 1
        db.execute("RELEASE put")
        return db.total_changes - before

    def _advance(self, end: int) -> None:
        self.end = end
        self._db.execute(
            "INSERT INTO segments VALUES (?, ?, ?) ON CONFLICT (source, number) DO UPDATE SET end = excluded.end",
            (self.source, self._segment.number, end),
        )


def _source(db: sqlite3.Connection, instance: str) -> int:
    db.execute("INSERT INTO sources (instance) VALUES (?) ON CONFLICT DO NOTHING", (instance,))
    found: int = db.execute("SELECT id FROM sources WHERE instance = ?", (instance,)).fetchone()[0]
    return found


def _describe(db: sqlite3.Connection, source: int, head: Body) -> None:
    text = {name: value if isinstance(value := head.get(name), str) else None for name in ("run", "service")}
    numbers = {name: value if isinstance(value := head.get(name), int) else None for name in ("pid", "at")}
    values: dict[str, Any] = {**text, **numbers, "resource": json.dumps(head.get("resource") or {}), "id": source}
    db.execute(
        "UPDATE sources SET run=:run, service=:service, pid=:pid, at=:at, resource=:resource WHERE id=:id", values
    )


def _last_id(db: sqlite3.Connection, question: str) -> int:
    return db.execute(question).fetchone()[0] or 0
