"""The thread that sends one lane: batches of records out of its sources, until each is delivered or dropped."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from spanwatch.core.exports import Signal
from spanwatch.otel.daemon import Daemon
from spanwatch.otel.delivery.connection import Connection, UnansweredError
from spanwatch.otel.delivery.telling import OutageTelling
from spanwatch.otel.delivery.verdict import Verdict, verdict
from spanwatch.otel.export import request
from spanwatch.otel.guard import Guard

RECORDS = 512
BYTES = 2 * 1024 * 1024
LINGER_S = 1.0  # records wait this long for company
BASE_S, MOST_S = 0.5, 10.0  # of the pause after a failure: from 0 to twice as much each time
UNANSWERED_S = 8.0  # a request that may have arrived is not repeated sooner
SHORTLY_S, HURRIED_S = 0.02, 0.3  # pauses while somebody waits
TRIES = 3  # for whoever waits
REFUSED, UNSAYABLE, REJECTED = "refused", "unencodable", "rejected"


class Source(Protocol):
    """Records in order, of one resource: `take` shows the next, `settle` says what became of the first of them."""

    @property
    def resource(self) -> Mapping[str, Any]:
        """The attributes of the resource."""

    def take(self, records: int, size: int) -> list[dict[str, Any]]:
        """The next records."""

    def settle(self, count: int, delivered: int, dropped: Mapping[str, int]) -> tuple[int, dict[str, int]]:
        """The first `count` of those taken last are done with; what is to be counted."""


@dataclass(slots=True)
class Waiter:
    """Somebody waits until `deadline` (monotonic seconds) for everything to be sent, or for it to be hopeless."""

    deadline: float
    failures_before: int
    hopeless: bool = False
    tried: threading.Event = field(default_factory=threading.Event)


class Sender:
    """Sends in the background and, when asked, at once; retries with full jitter, never before a `Retry-After`.

    Args:
        signal: The lane.
        connect: Makes the connection, anew in a forked child.
        sources: What there is to send and whether it is this process's own.
        done: Called with own, delivered and dropped by reason.
        owes: How many of this process's records are neither delivered nor dropped.
        telling: What is said aloud.
        tick: Called after every round.
        renew: Called first in a forked child.
        guard: Where failures stop.
    """

    _most: int

    def __init__(
        self,
        signal: Signal,
        connect: Callable[[], Connection],
        sources: Callable[[], Sequence[tuple[Source, bool]]],
        *,
        done: Callable[[bool, int, Mapping[str, int]], None],
        owes: Callable[[], int],
        telling: OutageTelling,
        tick: Callable[[], None],
        renew: Callable[[], None],
        guard: Guard,
    ) -> None:
        self._signal, self._connect, self._sources, self._done, self._owes = signal, connect, sources, done, owes
        self._telling, self._tick, self._renewed, self._guard = telling, tick, renew, guard
        self._connection = connect()
        self._reset()
        self._daemon = Daemon(f"spanwatch-{signal}", self._loop, self._renew)

    def start(self) -> None:
        """Start the thread; a forked child starts its own."""
        self._daemon.ensure()

    def drain(self, deadline: float) -> threading.Event:
        """Send everything now; the event says when that is done, or was tried and is hopeless for the moment."""
        asked = Waiter(deadline, self._failures)
        self._asked.append(asked)
        self._wake.set()
        if not self._daemon.ensure():
            asked.tried.set()
        return asked.tried

    def stop(self) -> None:
        """Break off: nothing is sent any more."""
        self._stopped = True
        self._connection.abort()
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end after `stop`."""
        return self._daemon.join(timeout)

    def _loop(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))  # what we send is not instrumented
        while not self._stopped:
            self._wake.wait(self._pause())
            self._wake.clear()
            asked = list(self._asked)
            if self._stopped:
                break
            if time.monotonic() >= (self._not_before if not asked else self._strictly_not_before):
                self._guard.run("delivering to a collector", self._round)
            self._guard.run("counting deliveries", self._tick)
            self._answer(asked)
        self._connection.close()
        for each in self._asked:
            each.tried.set()

    def _pause(self) -> float:
        now = time.monotonic()
        if self._asked:
            longest = HURRIED_S if self._failures else SHORTLY_S  # what a slow disk holds up comes without a failure
            return max(self._strictly_not_before - now, random.uniform(SHORTLY_S, longest))  # noqa: S311 (jitter)
        return max(LINGER_S, self._not_before - now)

    def _answer(self, asked: Sequence[Waiter]) -> None:
        """Let go whoever waits in vain, or no longer has to."""
        now, nothing = time.monotonic(), self._owes() == 0
        for each in asked:
            hopeless = each.hopeless or self._failures - each.failures_before >= TRIES
            if nothing or hopeless or now >= each.deadline or self._strictly_not_before >= each.deadline:
                self._asked.remove(each)
                each.tried.set()

    def _round(self) -> None:
        """One batch of each source after the other, until all are empty or the collector takes no more."""
        sent, stuck = True, set()
        while sent and not self._stopped:
            sent = False
            for source, own in self._sources():
                if id(source) in stuck or (self._asked and not own):  # who waits, waits for this process's own
                    continue
                bodies = source.take(self._most, BYTES)
                if not bodies:
                    self._settle(source, 0, 0, {}, own=own)
                    continue
                outcome = self._send(source, bodies, own=own)
                if outcome is None:
                    return
                if not outcome:
                    stuck.add(id(source))
                sent = sent or outcome

    def _send(self, source: Source, bodies: list[dict[str, Any]], *, own: bool) -> bool | None:
        """Send one batch; None when the collector takes nothing now, False when it does not take the first of these."""
        found, unfit = self._post(source, bodies)
        if found.kind == "done":
            self._took(found)
            rejected = min(found.rejected, len(bodies) - unfit) if self._signal != "metrics" else 0
            dropped = {REJECTED: rejected, UNSAYABLE: unfit}
            self._settle(source, len(bodies), len(bodies) - rejected - unfit, dropped, own=own)
            self._most = min(RECORDS, self._most * 2)
            return True
        if found.kind == "later":
            self._failed(found)
            return None
        if len(bodies) > 1:
            self._most = max(1, len(bodies) // 2)
            return True
        return self._suspect(source, bodies, found, own=own)

    def _suspect(self, source: Source, bodies: list[dict[str, Any]], found: Verdict, *, own: bool) -> bool | None:
        """One record alone is refused: drop it if the collector takes an empty request and then refuses it again."""
        proof, _ = self._post(source, [])
        again, _ = self._post(source, bodies) if proof.kind == "done" else (proof, 0)
        if again.kind == "done":
            self._took(again)
            self._settle(source, 1, 1, {}, own=own)
            return True
        if proof.kind == "done" and again.kind in {"bad", "smaller"}:
            self._settle(source, 1, 0, {REFUSED: 1}, own=own)
            return True
        self._failed(again if again.kind == "later" else found)
        return None if again.kind == "later" else False

    def _post(self, source: Source, bodies: list[dict[str, Any]]) -> tuple[Verdict, int]:
        message, unfit = request(self._signal, source.resource, bodies)
        try:
            answer = self._connection.post(message)
        except UnansweredError as error:
            for each in self._asked:
                each.hopeless = True
            return Verdict("later", f"no answer ({error})", wait_s=UNANSWERED_S * random.uniform(1, 2)), unfit  # noqa: S311 (jitter)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Verdict("later", f"no connection ({_named(error)})"), unfit
        return verdict(answer, self._signal, time.time()), unfit

    def _settle(self, source: Source, count: int, delivered: int, dropped: Mapping[str, int], *, own: bool) -> None:
        if self._stopped:  # what is owed was counted already
            return
        counted, lost = source.settle(count, delivered, dropped)
        if counted or lost:
            self._done(own, counted, lost)

    def _took(self, found: Verdict) -> None:
        self._failures, self._not_before, self._strictly_not_before = 0, 0.0, 0.0
        for each in self._asked:
            each.failures_before = 0
        self._telling.delivered(found.text)

    def _failed(self, found: Verdict) -> None:
        if self._stopped:
            return
        now = time.monotonic()
        jitter = random.uniform(0, min(MOST_S, BASE_S * 2 ** min(self._failures, 10)))  # noqa: S311 (jitter)
        self._failures += 1
        self._strictly_not_before = now + (found.wait_s or 0.0)
        self._not_before = self._strictly_not_before + jitter
        self._telling.failed(found.text)

    def _reset(self) -> None:
        self._wake = threading.Event()
        self._asked: list[Waiter] = []
        self._stopped = False
        self._failures, self._not_before, self._strictly_not_before = 0, 0.0, 0.0
        self._most = RECORDS

    def _renew(self) -> None:
        self._renewed()
        self._connection.forget()
        self._connection = self._connect()
        self._reset()


def _named(error: BaseException) -> str:
    """What went wrong, without addresses or paths that an error's text may quote."""
    code = getattr(error, "strerror", None)
    return code if isinstance(code, str) and code else type(error).__name__
