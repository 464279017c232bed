"""Requests, agents and tools from their spans: how many, how they ended, how long they took, exactly."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from spanwatch.core import names
from spanwatch.store import database
from spanwatch.store.schema import IS_WORK
from spanwatch.store.summary import Percentiles
from spanwatch.store.windows import between

OK, ERROR, CANCELLED, REFUSED = "ok", "error", "cancelled", "refused"
_READ = (names.OPERATION_NAME, names.REQUEST_NAME, names.OUTCOME, names.TOOL_NAME, names.AGENT_NAME, names.ERROR_TYPE)
_QUESTION = (
    "SELECT trace_id, span_id, parent_id, ended_ns - started_ns, failed, "  # noqa: S608 (constants)
    + ", ".join(f"json_extract(body, '$.a.\"{name}\"')" for name in _READ)
    + f" FROM spans INDEXED BY spans_of_work WHERE started_ns >= ? AND started_ns < ? AND ({IS_WORK})"
)
_FAILED_CALLS = (
    "SELECT coalesce(error_type, ?), count(*) FROM calls INDEXED BY calls_by_start "
    "WHERE started_ns >= ? AND started_ns < ? AND counted AND status = 'error' GROUP BY 1"
)
_UNSAMPLED = (
    "SELECT 1 FROM calls INDEXED BY calls_by_start WHERE started_ns >= ? AND started_ns < ? AND NOT sampled LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What ended under one name. Cancelled and refused ones are neither success nor failure; times are seconds."""

    key: str
    ok: int = 0
    errors: int = 0
    cancelled: int = 0
    refused: int = 0
    duration: Percentiles = field(default_factory=Percentiles)

    @property
    def count(self) -> int:
        """All of them."""
        return self.ok + self.errors + self.cancelled + self.refused

    @property
    def success_rate(self) -> float | None:
        """The share of successes among successes and failures; None when there are none of either."""
        return self.ok / (self.ok + self.errors) if self.ok + self.errors else None


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures of one kind: of `requests`, `agents`, `tools` or `calls`."""

    where: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in a window; groups with the most first. `sampled` says that only sampled traces are counted."""

    requests: Done
    requests_by_name: tuple[Done, ...]
    agents: tuple[Done, ...]
    tools: tuple[Done, ...]
    failures: tuple[Failures, ...]
    sampled: bool


def work(home: Path, *, since_ns: int | None = None, until_ns: int | None = None) -> Work:
    """What began in [`since_ns`, `until_ns`) and has ended.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    window = between(since_ns, until_ns)
    with database.reading(home) as db:
        return _work(db, window)


class _Span(NamedTuple):
    trace_id: str
    span_id: str
    parent_id: str | None
    duration_ns: int
    failed: int
    operation: str | None
    request: str | None
    outcome: str | None
    tool: str | None
    agent: str | None
    error: str | None

    @property
    def ended(self) -> str:
        """Its outcome, which spans of others do not state."""
        return str(self.outcome) if self.outcome else ERROR if self.failed else OK


def _work(db: sqlite3.Connection, window: tuple[int, int]) -> Work:
    spans = [_Span(*row) for row in db.execute(_QUESTION, window)]
    requests = [(str(span.request), span) for span in spans if span.request is not None]
    agents = [(str(span.agent or ""), span) for span in spans if span.operation == names.INVOKE_AGENT]
    tools = [(str(span.tool or ""), span) for span in _once(spans)]
    kinds: Counter[tuple[str, str]] = Counter()
    for where, found in (("requests", requests), ("agents", agents), ("tools", tools)):
        kinds.update((where, str(span.error or names.ERROR_OTHER)) for _, span in found if span.ended == ERROR)
    for kind, count in db.execute(_FAILED_CALLS, (names.ERROR_OTHER, *window)):
        kinds["calls", kind] += count
    failures = [Failures(where, kind, count) for (where, kind), count in kinds.items()]
    return Work(
        requests=_done("", [span for _, span in requests]),
        requests_by_name=_grouped(requests),
        agents=_grouped(agents),
        tools=_grouped(tools),
        failures=tuple(sorted(failures, key=lambda each: (-each.count, each.where, each.kind))),
        sampled=db.execute(_UNSAMPLED, window).fetchone() is not None,
    )


def _once(spans: Iterable[_Span]) -> list[_Span]:
    """The executions of tools; where two instrumentations saw one, the outer span."""
    tools = {(span.trace_id, span.span_id): span for span in spans if span.operation == names.EXECUTE_TOOL}
    around = {key: tools.get((span.trace_id, span.parent_id or "")) for key, span in tools.items()}
    return [span for key, span in tools.items() if (outer := around[key]) is None or outer.tool != span.tool]


def _grouped(found: Iterable[tuple[str, _Span]]) -> tuple[Done, ...]:
    groups: dict[str, list[_Span]] = {}
    for key, span in found:
        groups.setdefault(key, []).append(span)
    done = (_done(key, spans) for key, spans in groups.items())
    return tuple(sorted(done, key=lambda each: (-each.count, each.key)))


def _done(key: str, spans: list[_Span]) -> Done:
    ended = Counter(span.ended for span in spans)
    times = sorted(span.duration_ns for span in spans)
    ranks = [times[math.ceil(share * len(times)) - 1] / 1e9 for share in (0.5, 0.95, 0.99)] if times else []
    lasted = Percentiles(len(times), *ranks)
    return Done(key, ended[OK], ended[ERROR], ended[CANCELLED], ended[REFUSED], lasted)
