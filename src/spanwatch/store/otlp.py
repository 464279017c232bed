"""Stored spans and logs as OTLP JSON lines: ids in hex, enums and times as the protocol's JSON encoding has them.

Source: opentelemetry-proto, JSON Protobuf Encoding; the collector's otlpjsonfile receiver reads one request a line.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from math import isfinite
from pathlib import Path
from typing import Any

from spanwatch.core.sanitise import BYTES
from spanwatch.store import database
from spanwatch.store.windows import between

_PER_LINE = 100
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
Json = dict[str, Any]
_Row = tuple[int, str, int]


def export(home: Path, *, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[str]:
    """Each line a request of spans or of logs: spans that ended, logs that were written in [`since_ns`, `until_ns`).

    One snapshot, read in bounded memory.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    window = between(since_ns, until_ns)
    with database.reading(home) as db:
        resources = {
            source: _resource(text) for source, text in db.execute("SELECT id, resource FROM sources").fetchall()
        }
        spans = db.execute(
            "SELECT source, body, ended_ns FROM spans WHERE ended_ns >= ? AND ended_ns < ? ORDER BY id", window
        )
        yield from _requests(spans, resources, "resourceSpans", "scopeSpans", "spans")
        logs = "SELECT source, body, at FROM logs WHERE at >= ? AND at < ? ORDER BY at, source"
        yield from _requests(db.execute(logs, window), resources, "resourceLogs", "scopeLogs", "logRecords")


def without_span(home: Path, *, since_ns: int | None = None, until_ns: int | None = None) -> int:
    """How many calls no kept span stands for; those are not in an export.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    window = between(since_ns, until_ns)
    with database.reading(home) as db:
        found: int = db.execute(
            "SELECT count(*) FROM calls c WHERE started_ns >= ? AND started_ns < ? AND NOT EXISTS "
            "(SELECT 1 FROM spans s WHERE s.trace_id = c.trace_id AND s.span_id = c.span_id)",
            window,
        ).fetchone()[0]
        return found


def _requests(rows: sqlite3.Cursor, resources: dict[int, Json], outer: str, middle: str, inner: str) -> Iterator[str]:
    convert = span if inner == "spans" else log
    for source, group in groupby(rows, key=lambda row: row[0]):
        for piece in _pieces(group):
            scopes: dict[str, Json] = {}
            for _, text, at in piece:
                body = json.loads(text)
                name, version, schema = body.get("sc") or (None, None, None)
                scope = scopes.setdefault(json.dumps([name, version, schema]), _scope(name, version, schema, inner))
                scope[inner].append(convert(body, at))
            resource = resources.get(source, {"attributes": []})
            request = {outer: [{"resource": resource, middle: list(scopes.values())}]}
            yield json.dumps(request, separators=(",", ":"), allow_nan=False)


def _pieces(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    iterator = iter(rows)
    while piece := list(islice(iterator, _PER_LINE)):
        yield piece


def _scope(name: str | None, version: str | None, schema: str | None, inner: str) -> Json:
    scope = {key: value for key, value in (("name", name), ("version", version)) if value}
    found: Json = {"scope": scope, inner: []}
    return {**found, "schemaUrl": schema} if schema else found


def _resource(text: str) -> Json:
    return {"attributes": attributes(json.loads(text))}


def span(body: Json, ended_ns: int) -> Json:
    """A span's journal record as an OTLP span."""
    status, dropped = body.get("st"), body.get("d") or (0, 0, 0)
    found = {
        "traceId": body["t"],
        "spanId": body["s"],
        "traceState": body.get("ts"),
        "parentSpanId": body.get("p"),
        "flags": body.get("fl"),
        "name": body["n"],
        "kind": body["kd"] + 1 if "kd" in body else None,
        "startTimeUnixNano": str(body["b"]),
        "endTimeUnixNano": str(ended_ns),
        "attributes": attributes(body.get("a") or {}),
        "droppedAttributesCount": dropped[0],
        "events": [_event(*event) for event in body.get("ev", ())],
        "droppedEventsCount": dropped[1],
        "links": [_link(*link) for link in body.get("l", ())],
        "droppedLinksCount": dropped[2],
        "status": _status(*status) if status else None,
    }
    return {key: value for key, value in found.items() if value not in (None, [], 0)}


def log(body: Json, at: int) -> Json:
    """A log's journal record as an OTLP log record."""
    found = {
        "timeUnixNano": str(body["ts"]) if body.get("ts") else None,
        "observedTimeUnixNano": str(body.get("ots") or at),
        "severityNumber": body.get("sev"),
        "severityText": body.get("sevt"),
        "body": value(body["body"]) if "body" in body else None,
        "attributes": attributes(body.get("a") or {}),
        "traceId": body.get("t"),
        "spanId": body.get("s"),
        "eventName": body.get("ev"),
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def attributes(source: Json) -> list[Json]:
    """A mapping as OTLP key-values."""
    return [{"key": key, "value": value(item)} for key, item in source.items()]


def value(item: Any) -> Json:
    """A JSON value of the journal as an OTLP AnyValue; None is the empty one."""
    if item is None:
        return {}
    if isinstance(item, bool):
        return {"boolValue": item}
    if isinstance(item, int):
        return {"intValue": str(item)}
    if isinstance(item, float):
        return {"doubleValue": item if isfinite(item) else _NOT_FINITE[str(item)]}
    if isinstance(item, str):
        return {"stringValue": item.encode("utf-8", "replace").decode("utf-8")}
    if isinstance(item, list):
        return {"arrayValue": {"values": [value(each) for each in item]}}
    if item.keys() == {BYTES}:
        return {"bytesValue": item[BYTES]}
    return {"kvlistValue": {"values": attributes(item)}}


def _event(name: str, time_ns: int, found: Json) -> Json:
    return {"timeUnixNano": str(time_ns), "name": name, "attributes": attributes(found)}


def _link(trace_id: str, span_id: str, found: Json) -> Json:
    return {"traceId": trace_id, "spanId": span_id, "attributes": attributes(found)}


def _status(code: int, message: str | None) -> Json:
    return {"code": code, "message": message} if message else {"code": code}
