"""Whether the marked trace, metric and log record can be found at the back ends, each by its own API."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from spanwatch.core import names
from spanwatch.core.diagnosis import Finding, Outcome
from spanwatch.core.values import masked
from spanwatch.generate.predicted import predicted
from spanwatch.otel.doctor.asking import skew_of
from spanwatch.otel.doctor.mark import SERVICE

_EVERY_S = 0.5
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What to look for: the trace, and the process that made it; times are UNIX seconds."""

    trace_id: str
    instance: str
    began: float


@dataclass(frozen=True, slots=True)
class BackEnd:
    """One back end: which check it proves, its option, its address, and the question it is asked."""

    check: str
    name: str
    address: str
    question: Callable[[Mark], str]
    found: Callable[[Any], bool]
    fix: str


def back_ends(jaeger: str | None, prometheus: str | None, loki: str | None) -> list[BackEnd]:
    """Those whose addresses were given."""
    return [
        BackEnd(check, name, address.rstrip("/"), question, found, fix)
        for check, name, address, question, found, fix in (
            ("trace", "Jaeger", jaeger, _trace, _has_spans, _NO_TRACE),
            ("metric", "Prometheus", prometheus, _metric, _has_result, _NO_METRIC),
            ("log", "Loki", loki, _log, _has_result, _NO_LOG),
        )
        if address
    ]


def arrived(back_end: BackEnd, mark: Mark, wait_s: float) -> tuple[Finding, float | None]:
    """Look for the mark until it is there or the time is over; and how far that clock is ahead."""
    began, shown, skew = time.monotonic(), masked(back_end.address), None
    trouble: str | None = None
    while True:
        try:
            answer, skew = _asked(f"{back_end.address}{back_end.question(mark)}")
            trouble = None
        except (OSError, ValueError) as error:
            answer, trouble = None, " ".join(str(getattr(error, "reason", None) or error).split())[:200]
        took = time.monotonic() - began
        if trouble is None and back_end.found(answer):
            text = f"found in {back_end.name} at {shown} after {took:.1f} s"
            return Finding(back_end.check, Outcome.OK, text), skew
        if took + _EVERY_S > wait_s:
            break
        time.sleep(_EVERY_S)
    if trouble is not None:
        fix = f"correct --{back_end.name.lower()}, or start it there"
        text = f"{back_end.name} at {shown} cannot be asked: {trouble}"
        return Finding(back_end.check, Outcome.FAIL, text, fix), skew
    text = f"not in {back_end.name} at {shown} within {wait_s:g} s, though the collector took it"
    return Finding(back_end.check, Outcome.FAIL, text, back_end.fix), skew


_NO_TRACE = (
    "look at the collector's log and queues; tail sampling must keep the service spanwatch-doctor, as the shipped "
    "gateway.yaml does; --wait longer than its decision_wait"
)
_NO_METRIC = "look at the collector's log; Prometheus needs --web.enable-otlp-receiver, or must scrape the collector"
_NO_LOG = "look at the collector's log; Loki needs allow_structured_metadata: true for OTLP"


def _trace(mark: Mark) -> str:
    return f"/api/traces/{mark.trace_id}"


def _metric(mark: Mark) -> str:
    name = predicted(names.REQUEST_DURATION).counts
    labels = ("instance", "service_instance_id", "exported_instance")
    query = " or ".join(f'{name}{{{label}="{mark.instance}"}}' for label in labels)
    return "/api/v1/query?" + urlencode({"query": query})


def _log(mark: Mark) -> str:
    query = f'{{service_name="{SERVICE}"}} | trace_id="{mark.trace_id}"'
    start, end = int((mark.began - 60) * 1e9), int((mark.began + 3600) * 1e9)
    return "/loki/api/v1/query_range?" + urlencode({"query": query, "start": start, "end": end, "limit": 1})


def _has_spans(answer: Any) -> bool:
    traces = answer.get("data") if isinstance(answer, dict) else None
    return bool(traces and traces[0].get("spans"))


def _has_result(answer: Any) -> bool:
    return isinstance(answer, dict) and bool((answer.get("data") or {}).get("result"))


def _asked(url: str) -> tuple[Any, float | None]:
    """The JSON answer (None for 404: not there yet), and how far the answerer's clock is ahead."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if at else {}
    plain = urlunsplit((parts.scheme, host, quote(parts.path), parts.query, ""))
    request = urllib.request.Request(plain, headers=headers)  # noqa: S310 (the address that was given)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 (see above)
            return json.loads(response.read()), skew_of(response.headers.get("Date"), time.time())
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                return None, skew_of(error.headers.get("Date"), time.time())
            raise ValueError(f"HTTP {error.code} {error.reason}") from None
