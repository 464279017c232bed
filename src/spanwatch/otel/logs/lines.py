"""A log record as a line: JSON for files, words for people. One record is one line, whatever its texts hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spanwatch.core import names
from spanwatch.core.harmless import clean

_MOST = 2_000  # characters of a console line's values
_COLOURS = {"DEBUG": "2", "INFO": "36", "WARN": "33", "ERROR": "31", "FATAL": "31;1"}
_NOT_SHOWN = frozenset({names.AGENT_NAME, names.EXCEPTION_STACKTRACE})


@dataclass(frozen=True, slots=True)
class Entry:
    """One record. The time is UNIX nanoseconds, the ids are lower-case hex or None; attributes are JSON values."""

    time_ns: int
    severity: str
    event: str
    trace_id: str | None
    span_id: str | None
    attributes: Mapping[str, Any]


def json_line(entry: Entry) -> str:
    """The record as JSON in ASCII: every control character and half of a surrogate pair is an escape."""
    found: dict[str, Any] = {"time": _time(entry, "microseconds"), "severity": entry.severity, "event": entry.event}
    if entry.trace_id is not None:
        found["trace_id"], found["span_id"] = entry.trace_id, entry.span_id
    found["attributes"] = entry.attributes
    return json.dumps(found, separators=(",", ":"), default=str)


def console_line(entry: Entry, *, colour: bool) -> str:
    """The record for people: time, severity, agent, event and its attributes; cut where it is long."""
    severity = f"{entry.severity:5}"
    if colour:
        severity = f"\x1b[{_COLOURS.get(entry.severity, '0')}m{severity}\x1b[0m"
    pairs = (f"{name}={_said(value)}" for name, value in entry.attributes.items() if name not in _NOT_SHOWN)
    values = " ".join(pairs)
    if len(values) > _MOST:
        values = f"{values[:_MOST]}... ({len(values)} characters)"
    words = [_time(entry, "milliseconds"), severity, entry.attributes.get(names.AGENT_NAME), entry.event, values]
    if entry.trace_id is not None:
        words.append(f"trace={entry.trace_id}")
    return " ".join(clean(word) if word is not severity else severity for word in words if word)


def _said(value: object) -> str:
    if isinstance(value, str) and value and not value.isspace() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _time(entry: Entry, precision: str) -> str:
    at = datetime.fromtimestamp(entry.time_ns / 1e9, UTC)
    return at.isoformat(timespec=precision).replace("+00:00", "Z")
