"""Traces that show what an alert is about: those of calls, requests, agents and tools that its labels name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spanwatch.core import names
from spanwatch.core.prometheus import label_name
from spanwatch.store import database
from spanwatch.store.home import database_path

MOST = 3
_CALL_COLUMNS = {
    label_name(names.REQUEST_MODEL): "request_model",
    label_name(names.RESPONSE_MODEL): "response_model",
    label_name(names.PROVIDER_NAME): "provider",
    label_name(names.OPERATION_NAME): "operation",
    label_name(names.AGENT_NAME): "agent",
    label_name(names.CALL_STATUS): "status",
    label_name(names.ERROR_TYPE): "error_type",
    label_name(names.COST_REASON): "cost_reason",
}
_SPAN_LABELS = {
    label_name(name): name
    for name in (
        names.REQUEST_NAME,
        names.AGENT_NAME,
        names.TOOL_NAME,
        names.WORKFLOW_NAME,
        names.OUTCOME,
        names.ERROR_TYPE,
    )
}
_ORDER = {
    names.COST.name: "nano_usd DESC",
    names.INFERENCE_DURATION.name: "duration_ns DESC",
    names.OPERATION_DURATION.name: "duration_ns DESC",
    names.UNPRICED_CALLS.name: "nano_usd IS NOT NULL, started_ns DESC",
}
_OF_SPANS = {
    names.REQUEST_DURATION.name: names.REQUEST_NAME,
    names.AGENT_DURATION.name: names.AGENT_NAME,
    names.TOOL_DURATION.name: names.TOOL_NAME,
    names.WORKFLOW_DURATION.name: names.WORKFLOW_NAME,
}
_OF_CALLS = frozenset({*_ORDER, names.CALLS.name, names.TIME_TO_FIRST_CHUNK.name})


def trace_ids(home: Path, metric: str, labels: Mapping[str, str], since_ns: int, until_ns: int) -> tuple[str, ...]:
    """The traces that say most of a metric with these labels; failed and dear and slow ones first. None where unknown.

    Raises:
        StoreError: the store cannot be read.
    """
    if not database_path(home).exists():
        return ()
    if metric in _OF_CALLS:
        return _of_calls(home, metric, labels, since_ns, until_ns)
    if metric in _OF_SPANS:
        return _of_spans(home, _OF_SPANS[metric], labels, since_ns, until_ns)
    return ()


def _of_calls(home: Path, metric: str, labels: Mapping[str, str], since_ns: int, until_ns: int) -> tuple[str, ...]:
    columns = [(column, labels[key]) for key, column in _CALL_COLUMNS.items() if key in labels]
    conditions = "".join(f" AND {column} = ?" for column, _ in columns)
    order = _ORDER.get(metric, "status = 'error' DESC, started_ns DESC")
    query = (
        f"SELECT trace_id FROM calls WHERE started_ns >= ? AND started_ns <= ? AND trace_id <> ''{conditions} "  # noqa: S608
        f"ORDER BY {order} LIMIT 50"
    )
    with database.reading(home) as db:
        rows = db.execute(query, (since_ns, until_ns, *(value for _, value in columns))).fetchall()
    return tuple(dict.fromkeys(trace_id for (trace_id,) in rows))[:MOST]


def _of_spans(home: Path, attribute: str, labels: Mapping[str, str], since_ns: int, until_ns: int) -> tuple[str, ...]:
    columns = [(_SPAN_LABELS[key], value) for key, value in labels.items() if key in _SPAN_LABELS]
    conditions = "".join(" AND instr(body, ?)" for _ in columns)
    query = (
        "SELECT trace_id FROM spans WHERE started_ns >= ? AND started_ns <= ? AND instr(body, ?)"  # noqa: S608
        f"{conditions} ORDER BY failed DESC, ended_ns - started_ns DESC LIMIT 50"
    )
    wanted = [value for _, value in columns]
    with database.reading(home) as db:
        rows = db.execute(query, (since_ns, until_ns, f'"{attribute}"', *wanted)).fetchall()
    return tuple(dict.fromkeys(trace_id for (trace_id,) in rows))[:MOST]
