"""All lanes of one instance: made as signals are attached, fed by the journal, ended together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from spanwatch.core import names
from spanwatch.core.exports import Export, Signal
from spanwatch.core.settings import Settings
from spanwatch.otel.bounded import left
from spanwatch.otel.delivery.account import LaneAccount
from spanwatch.otel.delivery.endpoint import Endpoint, endpoint_of
from spanwatch.otel.delivery.lane import Lane
from spanwatch.otel.delivery.spool import Spool
from spanwatch.otel.guard import Guard, say
from spanwatch.otel.journal import Journal
from spanwatch.otel.observing import observing
from spanwatch.otel.worker import Added


class Delivery:
    """Ours for OTLP/HTTP; gRPC is left to the stock exporter, without these promises.

    Args:
        settings: What is configured.
        resource: The attributes of this process's resource.
        count: Takes amounts for the metrics.
        guard: Where failures stop.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Callable[[], Mapping[str, Any]],
        count: Callable[[Added], object],
        guard: Guard,
    ) -> None:
        self._resource, self._count, self._guard = resource, count, guard
        self._lanes: dict[Signal, Lane] = {}
        self._journal: Journal | None = None
        self._begun = False
        home = Path(settings.home).absolute()
        self.spool = Spool(home, settings.journal_bytes, self._gave_up) if settings.store else None

    def freed(self) -> int:
        """How many segments of the journal no collector waits for any more."""
        return 0 if self.spool is None else self.spool.freed

    def open(self, export: Export, only_scope: str | None) -> Lane | None:
        """The lane of a signal from now on; None where it goes out by the stock exporter."""
        if export.protocol != "http/protobuf":
            return None
        lane = self._lanes.get(export.signal)
        if lane is None:
            endpoint = self._guard.run("reading the address of a collector", _endpoint, export)
            if endpoint is None:
                return None
            lane = Lane(
                export, endpoint, spool=self.spool, resource=self._resource, count=self._count, guard=self._guard
            )
            lane.journal = self._journal
            self._lanes[export.signal] = lane
            if self.spool is not None:
                self.spool.lanes = frozenset(self._lanes)
        lane.is_open, lane.only_scope = True, only_scope
        self._begin_anew()
        if self._begun:  # now: from Python 3.12 on no thread can be started while the interpreter shuts down
            lane.start()
        return lane

    def close(self, signal: Signal) -> None:
        """What comes on a lane from now on is not sent."""
        lane = self._lanes.get(signal)
        if lane is not None and lane.is_open:
            lane.is_open = False
            self._begin_anew()

    def attach(self, journal: Journal | None) -> None:
        """The journal is there, or there will be none: begin to send."""
        self._journal, self._begun = journal, True
        for lane in self._lanes.values():
            lane.journal = journal
            lane.start()

    def owed(self) -> Mapping[str, str | None]:
        """The signals that are sent, each with the one scope that is, or None: all are."""
        return {signal: lane.only_scope for signal, lane in self._lanes.items() if lane.is_open}

    def observe(self, meter: Meter) -> None:
        """Show what waits on each lane."""
        waiting = names.DELIVERY_WAITING
        meter.create_observable_gauge(waiting.name, [observing(self._waiting)], waiting.unit, waiting.description)

    def _waiting(self, _options: CallbackOptions) -> Iterable[Observation]:
        for account in self.accounts():
            yield Observation(account.waiting, {names.DELIVERY_SIGNAL: account.signal})

    def accounts(self) -> tuple[LaneAccount, ...]:
        """What this process emitted on each lane, and what became of it."""
        return tuple(lane.account() for lane in self._lanes.values())

    def stop(self, timeout: float) -> None:
        """End, all lanes within `timeout` seconds: what is owed still is left in the journal."""
        deadline = time.monotonic() + timeout
        for lane in self._lanes.values():
            lane.break_off()
        for lane in self._lanes.values():
            lane.stop(left(deadline))

    def release(self) -> None:
        """Give up the locks, after the journal has ended."""
        if self.spool is not None:
            self.spool.release()

    def _begin_anew(self) -> None:
        """Other records are owed from now on: a segment says for all of it which are."""
        if self._journal is not None:
            self._journal.close()

    def _gave_up(self, lane: str, reason: str, count: int, own: bool) -> None:
        found = next((each for signal, each in self._lanes.items() if signal == lane), None)
        if found is not None:
            found.gave_up(reason, count, own=own)


def _endpoint(export: Export) -> Endpoint | None:
    try:
        return endpoint_of(export, os.environ)
    except ValueError as error:
        say("%s", error)
        return None
