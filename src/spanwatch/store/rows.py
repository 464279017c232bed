"""Records of the journal as rows of the store. What a record lacks is NULL; nothing here is ever guessed."""

from __future__ import annotations

import json
import re
from operator import index
from typing import Any

from spanwatch.core.call import CallStatus
from spanwatch.core.feedback.rating import rating_from
from spanwatch.core.names import FETCH_RESPONSE, INTERACTION_ID, REPORTED_COST, REQUEST_NAME, USER_ID
from spanwatch.store.windows import FOREVER

Row = tuple[Any, ...]
Body = dict[str, Any]

USAGE_COLUMNS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
COST_COLUMNS = ("nano_usd", "cost_status", "cost_reason", "cost_source", "price_version")
LATE_COLUMNS = (*USAGE_COLUMNS, "more_usage", *COST_COLUMNS)  # what may become known after the call
_FRONT = (
    *("call_id", "trace_id", "span_id", "parent_span_id", "source", "counted", "operation", "provider"),
    *("request_model", "response_model", "response_id", "started_ns", "duration_ns", "status", "error_type"),
    *("stream", "first_chunk_s", "chunks", "has_usage"),
)
_BACK = (
    *("finish_reasons", "user_id", "conversation_id", "agent", "service_tier", "server_address", "server_port"),
    *("api", "scope", "sampled", "charged_nano_usd"),
)
CALL_COLUMNS = (*_FRONT, *LATE_COLUMNS, *_BACK)
SPAN_COLUMNS = (
    *("trace_id", "span_id", "parent_id", "source", "name", "started_ns", "ended_ns", "failed", "user_id", "body"),
)
FEEDBACK_COLUMNS = (
    *("feedback_id", "source", "at", "kind", "rating", "label", "comment", "tags", "trace_id", "span_id", "reference"),
    *("user_id", "conversation_id", "agent", "model", "app_version", "prompt"),
)
INTERACTION_COLUMNS = ("interaction_id", "trace_id", "span_id", "at")
LOG_COLUMNS = ("source", "number", "start", "at", "trace_id", "span_id", "user_id", "body")

_USAGE_NAMES = frozenset(USAGE_COLUMNS)
_NO_LATE: Row = (None,) * len(LATE_COLUMNS)
_TRACE = re.compile("(?!0{32})[0-9a-f]{32}").fullmatch
_SPAN = re.compile("(?!0{16})[0-9a-f]{16}").fullmatch
_ERROR = 2
_UNCOUNTED = frozenset({FETCH_RESPONSE, REPORTED_COST})

# Beyond these a value is nonsense, and sums of it would not fit an int64.
_MOST_COUNT = 10**15
_MOST_NANO_USD = 10**16
_MOST_DURATION_NS = 10**15


def call_row(body: Body, source: int) -> Row:
    """A `call` record as values of CALL_COLUMNS. One that fetched another's response keeps neither usage nor cost.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the record is not that of a call.
    """
    get = body.get
    operation, status, started = body["operation"], get("status", CallStatus.OK), _time(body["started_ns"])
    fetch = operation == FETCH_RESPONSE
    usage = None if fetch else get("usage")
    reasons = get("finish_reasons")
    return (
        *(body["call_id"], get("trace_id") or "", get("span_id"), get("parent_span_id"), source),
        *(status != CallStatus.REFUSED and operation not in _UNCOUNTED, operation, get("provider")),
        *(get("request_model"), get("response_model"), get("response_id"), started),
        *(min(max(_time(body["ended_ns"]) - started, 0), _MOST_DURATION_NS),),
        *(CallStatus(status).value, get("error_type"), get("stream", False), get("time_to_first_chunk_s")),
        *(get("chunks", 0), bool(usage)),
        *(_NO_LATE if fetch else late_values(usage, get("cost"))),
        *(json.dumps(reasons) if reasons else None, get("user_id"), get("conversation_id"), get("agent")),
        *(get("service_tier"), get("server_address"), get("server_port"), get("api"), get("scope")),
        *(get("sampled", True), _bounded(get("charged_nano_usd"), _MOST_NANO_USD)),
    )


def late_values(usage: Body | None, cost: Body | None) -> Row:
    """Usage and cost as values of LATE_COLUMNS."""
    if usage:
        count = usage.get
        more = json.dumps(usage) if usage.keys() - _USAGE_NAMES else None
        counts: Row = (*[_bounded(count(name), _MOST_COUNT) for name in USAGE_COLUMNS], more)
    else:
        counts = (None,) * (len(USAGE_COLUMNS) + 1)
    if not cost:
        return (*counts, None, None, None, None, None)
    reasons = cost.get("reasons") or (None,)
    nano = _bounded(cost.get("nano_usd"), _MOST_NANO_USD)
    return (*counts, nano, cost["status"], reasons[0], cost.get("source"), cost.get("price_version"))


def span_row(body: Body, source: int, text: str) -> Row:
    """A `span` record, whose JSON is `text`, as values of SPAN_COLUMNS.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the record is not that of a span with valid ids.
    """
    trace_id, span_id, started, ended = body["t"], body["s"], _time(body["b"]), body["e"]
    if not (_TRACE(trace_id) and _SPAN(span_id)):
        raise ValueError("no valid ids")
    status, attributes = body.get("st"), body.get("a")
    failed = bool(status) and body["st"][0] == _ERROR
    user = text_or_none(attributes.get(USER_ID)) if attributes else None
    end = started if ended is None else _time(ended)
    return (trace_id, span_id, body.get("p") or None, source, body["n"], started, end, failed, user, text)


def log_row(body: Body, source: int, number: int, start: int, text: str) -> Row:
    """A `log` record, whose JSON is `text` and which starts at `start` of segment `number`, as values of LOG_COLUMNS.

    Raises:
        TypeError, AttributeError: the record is not that of a log.
    """
    get, attributes = body.get, body.get("a")
    user = text_or_none(attributes.get(USER_ID)) if attributes else None
    return (source, number, start, _time(get("ts") or get("ots") or 0), get("t"), get("s"), user, text)


def cost_body(body: Body) -> Body:
    """A `cost` record, as it is.

    Raises:
        KeyError, TypeError, ValueError: the record is not that of a stated cost.
    """
    nano = _bounded(body["nano_usd"], _MOST_NANO_USD)
    if nano is None:
        raise ValueError("no amount")
    return {"id": str(body["id"]), "at": _time(body["at"]), "call": str(body["call"]), "nano_usd": nano}


def feedback_row(body: Body, source: int) -> Row:
    """A `feedback` record as values of FEEDBACK_COLUMNS.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the record is not that of a rating.
    """
    found = rating_from(body)
    tags = json.dumps(found.tags) if found.tags else None
    return (
        *(found.id, source, _time(found.at_ns), found.kind, found.rating, found.label, found.comment, tags),
        *(found.trace_id, found.span_id, found.reference, found.user_id, found.conversation_id, found.agent),
        *(found.model, found.app_version, found.prompt),
    )


def interaction_row(body: Body) -> Row | None:
    """The interaction that a `span` record stands for, as values of INTERACTION_COLUMNS, or None."""
    attributes = body.get("a")
    if not attributes or REQUEST_NAME not in attributes or INTERACTION_ID not in attributes:
        return None
    return (text_or_none(attributes[INTERACTION_ID]), body["t"], body["s"], _time(body["b"]))


def _time(value: Any) -> int:
    """A UNIX time in nanoseconds."""
    if 0 <= index(value) < FOREVER:
        return int(value)
    raise ValueError("no time")


def _bounded(value: Any, most: int) -> int | None:
    """A count or an amount, or None where it is none."""
    return value if isinstance(value, int) and -most <= value <= most else None


def text_or_none(value: Any) -> str | None:
    """Text as it is; a number as text; anything else is none."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def storable(row: Row) -> Row:
    """A row that SQLite takes: lone surrogates replaced, integers beyond int64 and structures as text."""
    return tuple(_storable(value) for value in row)


def _storable(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode("utf-8")
