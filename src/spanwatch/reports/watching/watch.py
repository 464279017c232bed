"""One look after the other at a store that running processes write to."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from spanwatch.core.errors import StoreError
from spanwatch.core.feedback.averages import Average, average
from spanwatch.core.feedback.rating import Rating
from spanwatch.core.health import Health, Thresholds
from spanwatch.core.rules.alert import Alert
from spanwatch.core.series import SECOND_NS
from spanwatch.reports.alerts import alerts_of
from spanwatch.reports.health import WINDOW_S, health_of
from spanwatch.reports.watching.accounts import Account, Ask, accounts, process_named
from spanwatch.store import database, feedback, samples
from spanwatch.store.notable import lines_of, slowest
from spanwatch.store.projection import project
from spanwatch.store.recent import Look, Recent
from spanwatch.store.schema import DAY_NS, HOUR_NS
from spanwatch.store.summary import Sums, grouped
from spanwatch.store.traces import TraceLine, traces
from spanwatch.store.work import Work, work

SHARE = 200  # what is read whole is read again after so many times as long as it took
MOST = 50  # traces and ratings that are listed
_ALIVE_NS = 120 * SECOND_NS
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """What users said in the window."""

    average: Average
    labels: Mapping[str, int]
    latest: tuple[Rating, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that is shown.

    `burn_nano` is spent per hour at the pace of the window, at most its last hour;
    `day_nano` what was spent since midnight UTC and `projected_nano` what that comes to by the next at this pace.
    """

    at_ns: int
    window_s: float
    health: Health
    processes: tuple[str, ...]
    look: Look
    burn_nano: int | None
    day_nano: int | None
    projected_nano: int | None
    day_is_lower_bound: bool
    work: Work
    budgets: tuple[Account, ...]
    recent: tuple[TraceLine, ...]
    slowest: tuple[TraceLine, ...]
    dearest: tuple[TraceLine, ...]
    said: Said
    alerts: tuple[Alert, ...]


class Kept(Generic[T]):
    """An answer that is asked for again after `SHARE` times as long as it took."""

    def __init__(self, ask: Callable[[int], T]) -> None:
        self._ask, self._due = ask, 0.0
        self._answers: list[T] = []

    def at(self, now_ns: int) -> T:
        """The answer, a fresh one when it is due."""
        began = time.monotonic()
        if not self._answers or began >= self._due:
            self._answers = [self._ask(now_ns)]
            ended = time.monotonic()
            self._due = ended + SHARE * (ended - began)
        return self._answers[0]


class Watch:
    """A store and a window of the last `window_s`; not for several threads at once.

    `ask` asks the ledger of budgets; None where none is kept.
    """

    def __init__(self, home: Path, window_s: float, thresholds: Thresholds, ask: Ask | None = None) -> None:
        self.home, self.window_s, self.thresholds = home, window_s, thresholds
        self._recent = Recent(home, window_s)
        self._health = Kept(lambda now: health_of(home, WINDOW_S, thresholds, now))
        self._processes = Kept(self._alive)
        self._work = Kept(lambda now: work(home, since_ns=self._since(now)))
        self._day = Kept(lambda now: grouped(home, "model", since_ns=now // DAY_NS * DAY_NS))
        self._budgets = Kept(lambda now: accounts(home, now, WINDOW_S, ask))
        self._latest = Kept(lambda now: tuple(traces(home, since_ns=self._since(now), limit=MOST)))
        self._slowest = Kept(lambda now: tuple(slowest(home, since_ns=self._since(now), limit=MOST)))
        self._said = Kept(self._ratings)
        self._held = database.held(home)
        self._alerts = Kept(lambda now: tuple(alerts_of(home, now)))

    def close(self) -> None:
        """Let go of the store."""
        if self._held is not None:
            self._held.close()

    def look(self, now_ns: int) -> Shown:
        """Catch up with what processes have written, and read.

        Raises:
            StoreError: there is no store here, or it cannot be read.
        """
        # Where nothing may be written, what is there is read.
        with contextlib.suppress(OSError, sqlite3.Error, StoreError):
            project(self.home)
        look = self._recent.look(now_ns)
        burn = _burn(look, self.window_s)
        today = sum((group.sums for group in self._day.at(now_ns)), Sums())
        day = today.nano_usd
        left = (DAY_NS - now_ns % DAY_NS) / HOUR_NS
        return Shown(
            at_ns=now_ns,
            window_s=self.window_s,
            health=self._health.at(now_ns),
            processes=self._processes.at(now_ns),
            look=look,
            burn_nano=burn,
            day_nano=day,
            projected_nano=None if day is None or burn is None else day + round(burn * left),
            day_is_lower_bound=today.is_lower_bound,
            work=self._work.at(now_ns),
            budgets=self._budgets.at(now_ns),
            recent=self._latest.at(now_ns),
            slowest=self._slowest.at(now_ns),
            dearest=tuple(lines_of(self.home, [trace_id for trace_id, _ in look.dearest])),
            said=self._said.at(now_ns),
            alerts=self._alerts.at(now_ns),
        )

    def _since(self, now_ns: int) -> int:
        return now_ns - int(self.window_s * SECOND_NS)

    def _alive(self, now_ns: int) -> tuple[str, ...]:
        found = [dict(labels) for labels in samples.processes(self.home, now_ns - _ALIVE_NS)]
        return tuple(map(process_named, found))

    def _ratings(self, now_ns: int) -> Said:
        window = feedback.Stretch(self._since(now_ns), now_ns)
        return Said(
            average(feedback.overall(self.home, window)),
            feedback.distribution(self.home, window),
            tuple(feedback.ratings(self.home, window, limit=MOST)),
        )


def _burn(look: Look, window_s: float) -> int | None:
    """Nano-USD per hour over the last hour, or over the window where it is shorter."""
    length_ns = min(int(window_s * SECOND_NS), HOUR_NS)
    first = look.until_ns - length_ns
    spent = [each.nano_usd for each in look.moments if each.at_ns >= first and each.nano_usd is not None]
    since = min((each.at_ns for each in look.moments if each.at_ns >= first), default=first)
    return round(sum(spent) * HOUR_NS / max(look.until_ns - since, SECOND_NS)) if spent else None
