"""Charges that a ledger has not taken yet, on disk: a process that is killed leaves them to the next one.

`charges/<instance>.log` holds the journal's kind of lines, each a charge; its writer holds a lock on it, and empties it
when all are settled. To settle one twice changes nothing: the ledger knows the call's id for a day.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanwatch.core.budgets.claims import Amount, Claim, Counter, Limits
from spanwatch.core.records import frame, lines
from spanwatch.store import files, locks
from spanwatch.store.ledger.protocol import REMEMBER_S, SECOND

FOLDER = "charges"
_NAME = re.compile(r"[0-9a-f]{32}\.log")
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
_TOO_OLD_NS = (REMEMBER_S - 3_600) * SECOND  # its id may be forgotten: to settle it could be the second time


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call is to be settled at; without claims what it holds is only freed."""

    call_id: str
    claims: tuple[Claim, ...]
    at_ns: int


class Outbox:
    """The charges of this process that wait. Safe for threads and forks; never raises."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._fd = -1
        self._path: Path | None = None
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a call inside it
        self._size = 0

    def append(self, charge: Charge, instance: str) -> bool:
        """Keep a charge, in the file of this instance (32 hex characters); whether that was possible."""
        data = frame("charge", _body(charge))
        with self._lock, contextlib.suppress(OSError):
            if self._fd < 0:
                self._open(instance)
            written = os.write(self._fd, data)
            self._size += written
            return written == len(data)
        return False

    def clear(self) -> None:
        """All of them are settled."""
        with self._lock, contextlib.suppress(OSError):
            if self._size:
                os.ftruncate(self._fd, 0)
                self._size = 0

    def close(self) -> None:
        """Give the file up, and remove it when nothing waits in it."""
        with self._lock, contextlib.suppress(OSError):
            fd, self._fd = self._fd, -1
            if fd >= 0 and not self._size and self._path is not None:
                files.remove(self._path, lambda: os.close(fd))
            elif fd >= 0:
                os.close(fd)

    def after_fork(self) -> None:
        """In a forked child: the file is the parent's; closing our copy keeps its lock."""
        self._lock = threading.RLock()
        fd, self._fd, self._size = self._fd, -1, 0
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _open(self, instance: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = self._folder / f"{instance}.log"
        self._fd = files.open_file(self._path, _FLAGS)
        self._size = os.fstat(self._fd).st_size
        with contextlib.suppress(OSError):  # a file system without locks: see `left_behind`
            locks.attempt(self._fd)


def left_behind(home: Path, now_ns: int) -> Iterator[list[Charge]]:
    """The charges of each process that ended before they were settled; a file is removed once its own were taken.

    Whoever takes them settles them before it asks for the next.
    """
    folder = home / FOLDER
    try:
        paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            file = held.enter_context(os.fdopen(files.open_file(path, os.O_RDONLY), "rb"))
            if not locks.attempt(file.fileno()):  # its writer lives
                continue
            data = file.read()
            yield [charge for line in lines(data) if (charge := _charge(line.payload, now_ns)) is not None]
            files.remove(path, held.close)


def _body(charge: Charge) -> dict[str, Any]:
    return {
        "id": charge.call_id,
        "at": charge.at_ns,
        "claims": [
            [c.budget, c.scope, c.start, c.since, c.end, [c.limits.nano_usd, c.limits.tokens, c.limits.levels], amount]
            for c, amount in charge.claims
        ],
    }


def _charge(payload: dict[str, Any] | None, now_ns: int) -> Charge | None:
    if payload is None or payload.get("k") != "charge" or now_ns - payload["at"] > _TOO_OLD_NS:
        return None
    claims = []
    for budget, scope, start, since, end, (nano, tokens, levels), amount in payload["claims"]:
        counter = Counter(budget, scope, start, since, end, Limits(nano, tokens, tuple(levels)))
        claims.append(Claim(counter, Amount(*amount)))
    return Charge(payload["id"], tuple(claims), payload["at"])
