"""One call that two instrumentations report beside each other, neither inside the other's span.

Frameworks' callbacks make spans that are never the current one, so that what the client's instrumentation makes of the
same call is no child of theirs, and often in another trace. What both have in common is their time, one within the
other's, the model, and the usage as far as both know it. Where one does not, they have to be of one trace or to have
begun on one thread, unless ours is within theirs: all that goes through the client passes our own call site. A span is
taken to last until it is reported: some state an end before their stream has even begun.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus
from spanwatch.otel.frames import Frame
from spanwatch.store import forks

KEPT = 256
_CONTRADICT = frozenset({(CallStatus.OK, False), (CallStatus.ERROR, True)})  # one was answered, the other was not
Told = tuple[Call, Frame | None]  # a call, and its span
_Kept = tuple[Call, Frame | None, int, list[str]]  # and until when it lasted, and the scopes that reported it too


class Twins:
    """The latest counted calls, from any thread. `clock` gives UNIX nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._calls: deque[_Kept] = deque(maxlen=KEPT)
        self._scopes: set[str] = set()
        self._renew()
        forks.around(child=self._renew)

    def _renew(self) -> None:
        """At first, and in a forked child: another thread of the parent's may hold its lock for ever."""
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside

    def counted(self, call: Call, frame: Frame | None) -> None:
        """Remember a call that was counted, in the order of their ends."""
        with self._lock:
            self._scopes.add(call.scope)
            self._calls.append((call, frame, max(self._clock(), call.ended_ns), []))

    def answered(self, response_id: str | None) -> Told | None:
        """The latest call that was counted with this response, or None."""
        with self._lock:
            return next((known[:2] for known in reversed(self._calls) if known[0].response_id == response_id), None)

    def of(self, call: Call, frame: Frame | None) -> Told | None:
        """The counted call that this one repeats, or None: of several, the likest."""
        with self._lock:
            if self._scopes <= {call.scope}:
                return None
            found = min(self._like(call, frame), key=lambda known: _likeness(known[0], call), default=None)
            if found is None:
                return None
            found[3].append(call.scope)
            return found[:2]

    def _like(self, call: Call, frame: Frame | None) -> Iterator[_Kept]:
        """The calls that this one may be, and that its scope has not reported yet, the latest first."""
        until_ns = max(self._clock(), call.ended_ns)
        for known in reversed(self._calls):
            other, _, other_until_ns, scopes = known
            if other_until_ns < call.started_ns:
                return
            if other.scope != call.scope and call.scope not in scopes and _same(known, call, frame, until_ns):
                yield known


def _same(known: _Kept, call: Call, frame: Frame | None, until_ns: int) -> bool:
    other, first, other_until_ns, _ = known
    if (other.operation == names.EMBEDDINGS) != (call.operation == names.EMBEDDINGS):
        return False
    if other.response_id and call.response_id and other.response_id != call.response_id:
        return False
    inside = call.started_ns <= other.started_ns and other_until_ns <= until_ns
    around = other.started_ns <= call.started_ns < other_until_ns
    if not (inside or around) or not _of_one_model(other, call):
        return False
    alike = _alike(other, call)
    if alike is not None:
        return alike
    if {(each.status, each.usage is None) for each in (other, call)} == _CONTRADICT:
        return False
    if (call.scope == names.SCOPE and around) or (other.scope == names.SCOPE and inside):
        return True
    of_one_thread = frame is not None and first is not None and frame.thread == first.thread
    return of_one_thread or (call.trace_id is not None and call.trace_id == other.trace_id)


def _likeness(one: Call, other: Call) -> tuple[bool, bool, int]:
    """How little two reports have in common: tokens that both know, how it ended, and when it began."""
    return _alike(one, other) is not True, one.status is not other.status, abs(one.started_ns - other.started_ns)


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
