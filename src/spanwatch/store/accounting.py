"""The account of deliveries: emitted = delivered + in the journal + dropped by reason, by lane, of one home.

What segments that are gone came to is summed up in `journal/account`; the others are counted where they lie.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spanwatch.core.records import frame, unframe
from spanwatch.store import files, locks

ACCOUNT = "account"
_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Tallied:
    """What became of the records of one lane; `waiting` are those in the journal."""

    emitted: int = 0
    delivered: int = 0
    waiting: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, delivered: int, dropped: Mapping[str, int], waiting: int = 0) -> Tallied:
        """The tally of records that were counted one by one."""
        return cls(delivered + sum(dropped.values()) + waiting, delivered, waiting, dict(dropped))

    def __add__(self, other: Tallied) -> Tallied:
        return Tallied(
            self.emitted + other.emitted,
            self.delivered + other.delivered,
            self.waiting + other.waiting,
            dict(Counter(self.dropped) + Counter(other.dropped)),
        )

    @property
    def unaccounted(self) -> int:
        """What is missing; 0 unless something is wrong."""
        return self.emitted - self.delivered - self.waiting - sum(self.dropped.values())


def settle(journal: Path, name: str, tallied: Mapping[str, Tallied]) -> None:
    """Add what a segment came to, once: a name that was added is remembered as long as its side file is there.

    Raises:
        OSError: the account cannot be written.
    """
    descriptor = files.open_file(journal / ACCOUNT, os.O_RDWR | os.O_CREAT)
    try:
        locks.acquire(descriptor)
        body = _body(descriptor)
        settled = [known for known in body["settled"] if os.path.lexists(journal / f"{known}.owed")]
        if name in settled:
            return
        lanes = {lane: _tallied(found) for lane, found in body["lanes"].items()}
        for lane, more in tallied.items():
            lanes[lane] = lanes.get(lane, Tallied()) + more
        told = {lane: {"delivered": each.delivered, "dropped": dict(each.dropped)} for lane, each in lanes.items()}
        data = frame("account", {"lanes": told, "settled": [*settled, name]})
        files.write_at(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def settled(journal: Path) -> tuple[dict[str, Tallied], frozenset[str]]:
    """What segments came to that owe nothing any more, by lane, and the names of those whose side file may be there.

    Raises:
        OSError: the account cannot be read.
    """
    try:
        descriptor = files.open_file(journal / ACCOUNT, os.O_RDONLY)
    except FileNotFoundError:
        return {}, frozenset()
    try:
        locks.acquire(descriptor, shared=True)
        body = _body(descriptor)
    finally:
        os.close(descriptor)
    return {lane: _tallied(found) for lane, found in body["lanes"].items()}, frozenset(body["settled"])


def _body(descriptor: int) -> dict[str, Any]:
    line = files.read_at(descriptor, _SIZE, 0).partition(b"\n")[0]
    body = unframe(line) or {}
    lanes, settled = body.get("lanes"), body.get("settled")
    return {
        "lanes": lanes if isinstance(lanes, dict) else {},
        "settled": settled if isinstance(settled, list) else [],
    }


def _tallied(found: Mapping[str, Any]) -> Tallied:
    return Tallied.of(int(found.get("delivered", 0)), dict(found.get("dropped") or {}))
