"""One call that two instrumentations report beside each other, neither inside the other's span.

Frameworks' callbacks make spans that are never the current one, so that what the client's instrumentation makes of the
same call is no child of theirs, and often in another trace. What both have in common is their time, one within the
other's, the model, the usage as far as both know it, and the thread they began on. A span is taken to last until it is
reported: some state an end before their stream has even begun.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from spanwatch.core import names
from spanwatch.core.call import Call
from spanwatch.store import forks

KEPT = 256


_Kept = tuple[Call, int | None, int]  # a call, the thread that its span began on, and until when it lasted


class Twins:
    """The latest counted calls, from any thread. `clock` gives UNIX nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._calls: deque[_Kept] = deque(maxlen=KEPT)
        self._told: deque[tuple[str, str]] = deque(maxlen=4 * KEPT)  # calls, and by whom else they were reported
        self._scopes: set[str] = set()
        self._renew()
        forks.around(child=self._renew)

    def _renew(self) -> None:
        """At first, and in a forked child: another thread of the parent's may hold its lock for ever."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside

    def counted(self, call: Call, thread: int | None) -> None:
        """Remember a call that was counted, in the order of their ends."""
        with self._lock:
            self._scopes.add(call.scope)
            self._calls.append((call, thread, max(self._clock(), call.ended_ns)))

    def of(self, call: Call, thread: int | None) -> Call | None:
        """The counted call that this one repeats, or None."""
        with self._lock:
            if self._scopes <= {call.scope}:
                return None
            until_ns = max(self._clock(), call.ended_ns)
            for known in reversed(self._calls):
                other, _, other_until_ns = known
                if other_until_ns < call.started_ns:
                    return None
                told = other.call_id, call.scope
                if other.scope != call.scope and _same(known, call, thread, until_ns) and told not in self._told:
                    self._told.append(told)
                    return other
        return None


def _same(known: _Kept, call: Call, thread: int | None, until_ns: int) -> bool:
    other, other_thread, other_until_ns = known
    if (other.operation == names.EMBEDDINGS) != (call.operation == names.EMBEDDINGS):
        return False
    if other.response_id and call.response_id and other.response_id != call.response_id:
        return False
    inside = call.started_ns <= other.started_ns and other_until_ns <= until_ns
    around = other.started_ns <= call.started_ns < other_until_ns
    if not (inside or around) or not _of_one_model(other, call):
        return False
    alike = _alike(other, call)
    return alike is True or (alike is None and thread is not None and other_thread == thread)


def _of_one_model(one: Call, other: Call) -> bool:
    """Whether a model of both is the same, or but for words that one has before it: Bedrock's `us.anthropic.`."""
    return any(
        first == second or first.endswith(f".{second}") or second.endswith(f".{first}")
        for first in _models(one)
        for second in _models(other)
    )


def _models(call: Call) -> set[str]:
    return {model for model in (call.request_model, call.response_model) if model}


def _alike(one: Call, other: Call) -> bool | None:
    """Whether both used the same tokens; None where one of them does not know."""
    if one.usage is None or other.usage is None:
        return None
    pairs = [(getattr(one.usage, name), getattr(other.usage, name)) for name in ("input_tokens", "output_tokens")]
    known = [first == second for first, second in pairs if first is not None and second is not None]
    return all(known) if known else None
