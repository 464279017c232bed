"""Stored model calls, read back one at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spanwatch.core.money import usd_text
from spanwatch.core.times import iso
from spanwatch.store import database
from spanwatch.store.rows import USAGE_COLUMNS
from spanwatch.store.windows import between

_COLUMNS = (
    "trace_id, span_id, parent_span_id, operation, provider, request_model, response_model, response_id, started_ns, "
    "duration_ns, stream, first_chunk_s, has_usage, more_usage, nano_usd, cost_status, cost_reason, cost_source, "
    "price_version, c.status, error_type, finish_reasons, user_id, conversation_id, agent, service_tier, call_id, "
    f"counted, sampled, s.service, s.run, charged_nano_usd, {', '.join(USAGE_COLUMNS)}"
)
_FROM = "FROM calls c LEFT JOIN sources s ON s.id = c.source"
_HAS_USAGE, _MORE = 12, 13
_KNOWN = len(_COLUMNS.split(",")) - len(USAGE_COLUMNS)


@dataclass(frozen=True, slots=True)
class StoredCall:
    """One call as it was stored. None is unknown; times are UNIX nanoseconds, money nano-USD, usage by unit name."""

    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    operation: str
    provider: str | None
    request_model: str | None
    response_model: str | None
    response_id: str | None
    started_ns: int
    duration_ns: int
    stream: bool
    time_to_first_chunk_s: float | None
    usage: dict[str, Any] | None
    nano_usd: int | None
    cost_status: str | None
    cost_reason: str | None
    cost_source: str | None
    price_version: str | None
    status: str
    error_type: str | None
    finish_reasons: tuple[str, ...]
    user_id: str | None
    conversation_id: str | None
    agent: str | None
    service_tier: str | None
    call_id: str
    counted: bool  # false for refused calls and fetches of earlier responses
    sampled: bool
    service: str | None
    run: str | None
    charged_nano_usd: int | None = None  # the estimate that budgets were charged, where the usage is unknown

    @property
    def model(self) -> str | None:
        """The model that answered, else the one that was asked for."""
        return self.response_model or self.request_model

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON: times in ISO 8601, durations in seconds, money as decimal text."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_span_id": self.parent_span_id,
            "operation": self.operation,
            "provider": self.provider,
            "request_model": self.request_model,
            "response_model": self.response_model,
            "response_id": self.response_id,
            "started_at": iso(self.started_ns),
            "duration_s": self.duration_ns / 1e9,
            "stream": self.stream,
            "time_to_first_chunk_s": self.time_to_first_chunk_s,
            "usage": self.usage,
            "cost_usd": None if self.nano_usd is None else usd_text(self.nano_usd),
            "cost_status": self.cost_status,
            "cost_reason": self.cost_reason,
            "cost_source": self.cost_source,
            "status": self.status,
            "error_type": self.error_type,
            "finish_reasons": list(self.finish_reasons),
            "user_id": self.user_id,
            "conversation_id": self.conversation_id,
            "agent": self.agent,
            "service": self.service,
            "service_tier": self.service_tier,
            "price_version": self.price_version,
            "call_id": self.call_id,
            "sampled": self.sampled,
            "charged_estimate_usd": None if self.charged_nano_usd is None else usd_text(self.charged_nano_usd),
        }


_AT = {field.name: number for number, field in enumerate(fields(StoredCall))}
_READ: dict[str, Callable[[Any], Any]] = {
    "trace_id": lambda text: text or None,
    "stream": bool,
    "finish_reasons": lambda text: tuple(json.loads(text)) if text else (),
    "counted": bool,
    "sampled": bool,
}


def calls(
    home: Path, *, since_ns: int | None = None, until_ns: int | None = None, limit: int | None = None
) -> Iterator[StoredCall]:
    """The calls that began in [`since_ns`, `until_ns`), oldest first; the newest `limit` of them when it is given.

    One snapshot, read in bounded memory; close the iterator when you stop early.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    window = between(since_ns, until_ns)
    with database.reading(home) as db:
        yield from _selected(db, "started_ns >= ? AND started_ns < ?", window, limit)


def of_trace(db: sqlite3.Connection, trace_id: str) -> list[StoredCall]:
    """The calls of one trace, oldest first."""
    return list(_selected(db, "trace_id = ?", (trace_id,), None))


def _selected(db: sqlite3.Connection, where: str, values: tuple[Any, ...], limit: int | None) -> Iterator[StoredCall]:
    start = None
    if limit is not None:
        newest = f"SELECT started_ns, id FROM calls WHERE {where} ORDER BY started_ns DESC, id DESC LIMIT 1 OFFSET ?"  # noqa: S608 (constants)
        start = db.execute(newest, (*values, max(limit, 1) - 1)).fetchone()
        if limit < 1:
            return
    bound = "" if start is None else " AND (started_ns, c.id) >= (?, ?)"
    question = f"SELECT {_COLUMNS} {_FROM} WHERE {where}{bound} ORDER BY started_ns, c.id"
    for row in db.execute(question, (*values, *(start or ()))):
        yield _call(row)


def _call(row: tuple[Any, ...]) -> StoredCall:
    values: list[Any] = [*row[:_HAS_USAGE], _usage(row), *row[_MORE + 1 : _KNOWN]]
    for name, read in _READ.items():
        values[_AT[name]] = read(values[_AT[name]])
    return StoredCall(*values)


def _usage(row: tuple[Any, ...]) -> dict[str, Any] | None:
    if not row[_HAS_USAGE]:
        return None
    counts = dict(zip(USAGE_COLUMNS, row[_KNOWN:], strict=True))
    return {**counts, **json.loads(row[_MORE])} if row[_MORE] else counts
