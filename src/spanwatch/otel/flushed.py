"""What a flush or a shutdown achieved."""

from __future__ import annotations

from dataclasses import dataclass

from spanwatch.core.exports import Signal
from spanwatch.otel.delivery.account import LaneAccount


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What one exporter could not hand over in time."""

    signal: Signal
    count: int
    target: str


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush achieved; true when everything handed over before it has arrived.

    `recorded` is whether every call is in the metrics and the journal; `undelivered` names what did not reach its
    collector, which may wait in the journal: `accounts` has by signal what this process delivered, what waits, and what
    was dropped and why (of gRPC, which goes out by the stock exporter, nothing).
    """

    recorded: bool
    undelivered: tuple[Undelivered, ...] = ()
    accounts: tuple[LaneAccount, ...] = ()

    def __bool__(self) -> bool:
        return self.recorded and not self.undelivered
