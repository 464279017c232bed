"""Calls that we refuse or let pass, and another instrumentation reports: what was held is settled by its report.

The guard at the client knows a call as it goes out and comes back, the hinge knows it by the span of the engine. Both
meet by the span that the pipeline will count, or by the id of the response. The report decides what is charged; where
it has no usage, or never comes, what the guard saw does.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from spanwatch.core.budgets import Claim
from spanwatch.core.call import Call, CallStatus
from spanwatch.otel.budgets.holds import Hold

GRACE_NS = 5_000_000_000  # after a call's end its report may take this long
KEPT = 8_192


@dataclass(slots=True)
class _Watched:
    """A call on its way; `key` is the span that stands for it, `call` what the guard saw of it in the end."""

    hold: Hold
    key: int | None
    call: Call | None = None
    report: Call | None = None
    ended_ns: int = 0


class Guarded:
    """Thread-safe, and reentrant: a finalizer may end a span anywhere.

    Args:
        settle: Charges the call of a hold.
        clock: UNIX nanoseconds.
    """

    def __init__(self, settle: Callable[[Hold, tuple[Claim, ...]], None], clock: Callable[[], int]) -> None:
        self._settle, self._clock = settle, clock
        self._open: dict[str, _Watched] = {}
        self._told: OrderedDict[str, None] = OrderedDict()  # ids of calls and responses that are charged
        self._lock = threading.RLock()

    def began(self, hold: Hold, key: int | None) -> None:
        """A call goes out."""
        with self._lock:
            self._open[hold.asking.call_id] = _Watched(hold, key)

    def ended(self, call: Call) -> None:
        """The guard saw a call's end. One that failed at once costs nothing; others wait for their report."""
        with self._lock:
            watched = self._open.get(call.call_id)
            if watched is None:
                return
            watched.call, watched.ended_ns = call, self._clock()
            known = call.response_id is not None and call.response_id in self._told
            over = call.status is CallStatus.ERROR and call.usage is None and not watched.hold.chunks
            if watched.report is not None or known or over:
                self._close(watched)

    def reported(self, call: Call) -> bool:
        """Whether the call of a foreign span is one of these, and so no charge of its own."""
        with self._lock:
            if call.call_id in self._told:
                return True
            found = [watched for watched in self._open.values() if _same(watched, call)]
            if not found and not (call.response_id is not None and call.response_id in self._told):
                return False
            self._tell(call.call_id, call.response_id)
            for number, watched in enumerate(found):
                if number:  # what was asked for again inside one span is one call
                    self._release(watched)
                    continue
                watched.report = call
                if watched.call is not None or call.usage is not None:
                    self._close(watched)
            return True

    def overdue(self, now: int) -> None:
        """Charge what nobody reported in time by what the guard saw."""
        with self._lock:
            for watched in list(self._open.values()):
                if watched.call is not None and not watched.hold.awaited and now - watched.ended_ns > GRACE_NS:
                    self._close(watched)

    def close(self) -> None:
        """Charge all that has ended."""
        with self._lock:
            for watched in list(self._open.values()):
                if watched.call is not None and not watched.hold.awaited:
                    self._close(watched)

    def clear(self) -> None:
        """In a forked child: what is on its way is the parent's."""
        self._lock = threading.RLock()
        self._open.clear()

    def _close(self, watched: _Watched) -> None:
        call, report, hold = watched.call, watched.report, watched.hold
        if report is not None and (report.usage is not None or call is None or call.usage is None):
            said = report
        elif call is not None and call.usage is not None:
            said = replace(call, cost=hold.asking.price(call.usage))
        elif call is not None:
            said = call
        else:
            return
        self._tell(said.call_id, said.response_id, None if call is None else call.response_id)
        self._open.pop(hold.asking.call_id, None)
        self._settle(hold, hold.charges(said).claims)

    def _release(self, watched: _Watched) -> None:
        self._open.pop(watched.hold.asking.call_id, None)
        self._settle(watched.hold, ())

    def _tell(self, *ids: str | None) -> None:
        for known in ids:
            if known is not None:
                self._told[known] = None
                if len(self._told) > KEPT:
                    self._told.popitem(last=False)


def _same(watched: _Watched, call: Call) -> bool:
    if watched.key is not None:
        return call.span_id is not None and int(call.span_id, 16) == watched.key
    seen = watched.call
    return seen is not None and seen.response_id is not None and seen.response_id == call.response_id
