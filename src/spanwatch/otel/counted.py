"""What was counted already: calls by our own id, responses by theirs. Bounded; the oldest are forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from opentelemetry.trace import SpanContext

from spanwatch.core.call import Call
from spanwatch.otel.frames import Frame
from spanwatch.store import forks

KEPT = 8_192


@dataclass(slots=True)
class Awaited:
    """A counted call whose usage may come later, with the frame and context of its span."""

    call: Call
    frame: Frame | None
    context: SpanContext | None


class Counted:
    """Decides once per call and once per response, from any thread."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._renew()
        forks.around(child=self._renew)
        self._calls: OrderedDict[str, None] = OrderedDict()
        self._responses: OrderedDict[str, str | dict[str, int]] = OrderedDict()  # id → its only scope, or scope → times
        self._awaited: OrderedDict[str, Awaited] = OrderedDict()

    def _renew(self) -> None:
        """At first, and in a forked child: another thread of the parent's may hold its lock for ever."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside

    def first(self, call_id: str) -> bool:
        """Whether this call is seen for the first time."""
        with self._lock:
            if call_id in self._calls:
                return False
            self._calls[call_id] = None
            if len(self._calls) > self._kept:
                self._calls.popitem(last=False)
            return True

    def repeated(self, response_id: str, scope: str, *, fetched: bool = False) -> bool:
        """Whether this response was counted already.

        The n-th report of an id by one scope repeats the n-th by any other: servers that reuse an id are counted right.
        A report without a request (`fetched`) repeats any.
        """
        with self._lock:
            known = self._responses.get(response_id)
            if known is None:
                self._responses[response_id] = scope
                if len(self._responses) > self._kept:
                    self._responses.popitem(last=False)
                return False
            if fetched:
                return True
            times = {known: 1} if isinstance(known, str) else known
            self._responses[response_id] = times
            most = max(times.values())
            times[scope] = times.get(scope, 0) + 1
            return times[scope] <= most

    def await_usage(self, call: Call, frame: Frame | None, context: SpanContext | None) -> None:
        """Remember a counted call without usage by its response id."""
        if call.response_id is None:
            return
        with self._lock:
            self._awaited[call.response_id] = Awaited(call, frame, context)
            if len(self._awaited) > self._kept:
                self._awaited.popitem(last=False)

    def awaited(self, response_id: str | None) -> Awaited | None:
        """The call that waits for the usage of this response; given out once."""
        if response_id is None:
            return None
        with self._lock:
            return self._awaited.pop(response_id, None)
