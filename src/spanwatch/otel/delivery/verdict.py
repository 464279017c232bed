"""What a collector's answer means for the records of a request.

Source: OpenTelemetry Protocol Specification, "OTLP/HTTP Response". One liberty: what the specification calls not
retryable is kept and tried again at a slow pace, for most of it (a wrong token, a wrong path, a redirect) is mended by
hand and the records are still there then.
"""

from __future__ import annotations

import email.utils
import json
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanwatch.core.exports import Signal
from spanwatch.core.redact import redact
from spanwatch.core.values import masked
from spanwatch.otel.delivery.connection import Answer

MAX_WAIT_S = 3_600.0
_MAX_TOLD = 300
_RESPONSES: dict[Signal, tuple[type[Message], str, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`done`: taken, but for `rejected`; `later`: try again, not before `wait_s`; `smaller`, `bad`: it is this request.

    `text` says what is odd, for a log line.
    """

    kind: Literal["done", "later", "smaller", "bad"]
    text: str = ""
    rejected: int = 0
    wait_s: float | None = None


def verdict(answer: Answer, signal: Signal, now_s: float) -> Verdict:
    """What becomes of the request. `now_s` is the time of day, for a `Retry-After` that is a date."""
    status = answer.status
    if 200 <= status < 300:
        return _taken(answer, signal)
    if 300 <= status < 400:
        place = "" if answer.location is None else f" to {_shown(str(masked(answer.location)))}"
        return Verdict("later", f"it redirects ({status}){place}, which is not followed: give the address itself")
    if status == 413:
        return Verdict("smaller", "the request is too large for it (413)")
    if status in {400, 422}:
        return Verdict("bad", f"it refuses the request ({status})")
    wait = retry_after_s(answer.retry_after, now_s)
    return Verdict("later", f"it answers {status}", wait_s=wait)


def retry_after_s(raw: str | None, now_s: float) -> float | None:
    """Seconds to wait by a `Retry-After` header, a number or a date: an hour at most, None where it says nothing."""
    if raw is None:
        return None
    try:
        seconds = float(raw)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(raw).timestamp() - now_s
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(0.0, seconds), MAX_WAIT_S) if seconds == seconds else None  # noqa: PLR0124 (NaN)


def _taken(answer: Answer, signal: Signal) -> Verdict:
    if answer.kind in {"text/html", "application/xhtml+xml"}:
        return Verdict("later", f"it answers {answer.status} with a web page: that is no collector")
    if not answer.whole:
        return Verdict("done", "its answer is longer than 4 MiB and was not read")
    rejected, message, sound = _partial(answer, signal)
    if not sound:
        return Verdict("done", "its answer is none of OTLP")
    if rejected or message:
        what = f"it rejected {rejected} of them" if rejected else "it warns"
        return Verdict("done", f"{what}: {_shown(message)}" if message else what, rejected=rejected)
    return Verdict("done")


def _partial(answer: Answer, signal: Signal) -> tuple[int, str, bool]:
    """Of a 2xx answer: how many records were rejected, why, and whether the answer could be read."""
    kind, field, key = _RESPONSES[signal]
    if not answer.body:
        return 0, "", True
    try:
        if answer.kind == "application/json":
            found: Any = json.loads(answer.body)
            partial = found.get("partialSuccess") or {}
            return max(0, int(partial.get(key) or 0)), str(partial.get("errorMessage") or ""), True
        success = getattr(kind.FromString(answer.body), "partial_success")  # noqa: B009 (mypy knows no fields of Message)
    except (DecodeError, ValueError, TypeError, AttributeError, RecursionError):
        return 0, "", False
    return max(0, getattr(success, field)), success.error_message, True


def _shown(text: str) -> str:
    """A foreign text as it may stand in a log line: without secrets, on one line, and short."""
    return "".join(char if char.isprintable() else " " for char in redact(text, _MAX_TOLD))
