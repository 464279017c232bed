"""What budgets stand at, as gauges: for each budget, and of its scopes those that spent most."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from spanwatch.core import names
from spanwatch.core.budgets import Budget, Standing, utilization
from spanwatch.core.errors import LedgerUnavailable
from spanwatch.core.money import usd_float
from spanwatch.otel.observing import Observe
from spanwatch.store import forks

TOP = 10  # scopes of a budget that have gauges at one time
MOST_NAMED = 100  # scopes of a budget that ever have some: a label set is never forgotten by the SDK
FRESH_S = 1.0

Labels = dict[str, str | bool | int | float]


class Gauges:
    """Registers the gauges of some budgets; reads the ledger once per collection.

    The meter keeps none of it alive: whoever made it holds it.

    Args:
        meter: Where they are registered.
        budgets: Those in force.
        standings: The scopes of a budget that spent most, at most so many.
        own: Whether the accounts are this process's own, in its memory: others of the same name are other accounts.
    """

    _latest: list[Standing]
    _read_at: float

    def __init__(
        self,
        meter: Meter,
        budgets: Sequence[Budget],
        standings: Callable[[str, int], list[Standing]],
        *,
        own: bool = False,
    ) -> None:
        self._budgets, self._standings = budgets, standings
        self._ledger: Labels = {names.BUDGET_LEDGER: "memory"} if own else {}
        self._named: dict[str, set[str]] = {budget.name: set() for budget in budgets}
        self._renew()
        forks.around(child=self._renew)
        for metric, value in (
            (names.BUDGET_LIMIT, _limit),
            (names.BUDGET_SPENT, lambda standing: _usd(standing, standing.tally.spent_nano)),
            (names.BUDGET_RESERVED, lambda standing: _usd(standing, standing.tally.held_nano)),
            (names.BUDGET_UTILIZATION, utilization),
        ):
            meter.create_observable_gauge(
                metric.name, [_reader(weakref.ref(self), value)], metric.unit, metric.description
            )

    def observed(self, value: Callable[[Standing], float | None]) -> Iterable[Observation]:
        """One gauge of each scope that has it."""
        for standing in self._now():
            amount = value(standing)
            if amount is not None:
                yield Observation(amount, {**_labels(standing), **self._ledger})

    def _now(self) -> list[Standing]:
        with self._lock:
            if time.monotonic() - self._read_at < FRESH_S:
                return self._latest
            found: list[Standing] = []
            for budget in self._budgets:
                try:
                    found += self._of(budget)
                except LedgerUnavailable:  # told where calls meet it; a gauge then has no value
                    continue
            self._latest, self._read_at = found, time.monotonic()
            return found

    def _renew(self) -> None:
        """At first, and in a forked child: the parent's lock may be held for ever, by one who reads the ledger."""
        self._lock, self._read_at, self._latest = threading.Lock(), -FRESH_S, []

    def _of(self, budget: Budget) -> list[Standing]:
        named, found = self._named[budget.name], []
        for standing in self._standings(budget.name, TOP):
            if standing.scope in named or len(named) < MOST_NAMED:
                named.add(standing.scope)
                found.append(standing)
        return found


def _reader(held: weakref.ref[Gauges], value: Callable[[Standing], float | None]) -> Observe:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        gauges = held()
        return () if gauges is None else gauges.observed(value)

    return read


def _limit(standing: Standing) -> float | None:
    return None if standing.limit_nano is None else usd_float(standing.limit_nano + standing.tally.extra_nano)


def _usd(standing: Standing, nano: int) -> float | None:
    return None if standing.limit_nano is None else usd_float(nano)


def _labels(standing: Standing) -> Labels:
    named: Labels = {names.BUDGET_NAME: standing.budget}
    return {**named, names.BUDGET_SCOPE: standing.scope} if standing.scope else named
