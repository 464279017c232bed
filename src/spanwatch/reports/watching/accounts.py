"""What budgets stand at: by the ledger where one is kept, else by the gauges of processes that run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spanwatch.core import names
from spanwatch.core.budgets import Standing, utilization
from spanwatch.core.errors import LedgerUnavailable
from spanwatch.core.money import usd_float
from spanwatch.core.series import SECOND_NS, Series
from spanwatch.core.windows import Window, stats
from spanwatch.store import samples

Ask = Callable[[int], Sequence[Standing]]  # the accounts of a ledger at this time in UNIX nanoseconds
_GAUGES = (names.BUDGET_UTILIZATION, names.BUDGET_SPENT, names.BUDGET_LIMIT)
_KEYS = (names.BUDGET_NAME, names.BUDGET_SCOPE)


@dataclass(frozen=True, slots=True)
class Account:
    """What one scope of a budget stands at; None where nothing says so.

    `process` says whose it is, where each process keeps its own in memory.
    """

    budget: str
    scope: str
    used: float
    spent_usd: float | None
    limit_usd: float | None
    process: str = ""


def accounts(home: Path, now_ns: int, window_s: float, ask: Ask | None) -> tuple[Account, ...]:
    """The accounts, those nearest to their limits first; what the ledger says goes before the gauges' last samples.

    A ledger that cannot be used leaves the gauges of the window.
    """
    found = {(each.budget, each.scope, each.process): each for each in _told(home, now_ns, window_s)}
    if ask is not None:
        with contextlib.suppress(LedgerUnavailable):
            found |= {(each.budget, each.scope, ""): _account(each) for each in ask(now_ns)}
    return _ordered(found.values())


def _account(standing: Standing) -> Account:
    tally, spent, limit = standing.tally, None, None
    if standing.limit_nano is not None:
        spent, limit = usd_float(tally.spent_nano), usd_float(standing.limit_nano + tally.extra_nano)
    return Account(standing.budget, standing.scope, utilization(standing), spent, limit)


def _told(home: Path, now_ns: int, window_s: float) -> list[Account]:
    window = Window(now_ns - int(window_s * SECOND_NS), now_ns)
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for metric in _GAUGES:
        whose: dict[str, list[Series]] = {}
        for series in samples.read(home, metric.name, window.start_ns, window.end_ns):
            whose.setdefault(_process(series), []).append(series)
        for process, members in whose.items():
            for each in stats(metric.name, members, window, _KEYS):
                if each.last is not None:
                    key = each.labels.get(names.BUDGET_NAME, ""), each.labels.get(names.BUDGET_SCOPE, ""), process
                    found.setdefault(key, {})[metric.name] = each.last
    return [
        Account(name, scope, used, got.get(names.BUDGET_SPENT.name), got.get(names.BUDGET_LIMIT.name), process)
        for (name, scope, process), got in found.items()
        if (used := got.get(names.BUDGET_UTILIZATION.name)) is not None
    ]


def _process(series: Series) -> str:
    """Whose account it is, where that is a process's own; else nobody's."""
    if dict(series.identity.labels).get(names.BUDGET_LEDGER) != "memory":
        return ""
    return process_named(dict(series.resource))


def process_named(labels: Mapping[str, str]) -> str:
    """What a process is called: its service and its process id."""
    return f"{labels.get(names.SERVICE_NAME, '')} {labels.get(names.PROCESS_PID, '')}".strip()


def _ordered(found: Iterable[Account]) -> tuple[Account, ...]:
    return tuple(sorted(found, key=lambda each: (-each.used, each.budget, each.scope, each.process)))
