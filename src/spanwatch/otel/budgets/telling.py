"""Levels of budgets as log events and callbacks: once when reached, once when not reached any more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context

from spanwatch.core import names
from spanwatch.core.budgets import Budget, Counter, Crossing, Level, Standing, level_of
from spanwatch.core.budgets.claims import PPM
from spanwatch.otel.guard import Guard
from spanwatch.store.ledger.protocol import SECOND

MOST_FIRED = 1_000  # accounts that are watched for the end of their levels
LOOKED_AT = 50  # of those, in one turn

Key = tuple[str, str, int]


class Telling:
    """Tells levels, and watches those that this process told until they are over. Used by one thread.

    Args:
        budgets: Those in force; their `on_level` is called.
        logger: The OTel logger in force.
        guard: Where failures of callbacks stop.
    """

    def __init__(self, budgets: Sequence[Budget], logger: Callable[[], Logger], guard: Guard) -> None:
        self._budgets = {budget.name: budget for budget in budgets}
        self._logger, self._guard = logger, guard
        self._fired: OrderedDict[Key, dict[float, Crossing]] = OrderedDict()

    def crossed(self, crossings: Sequence[Crossing]) -> None:
        """Tell levels that were reached."""
        for crossing in crossings:
            counter = crossing.counter
            self._fired.setdefault((counter.budget, counter.scope, counter.start), {})[crossing.level] = crossing
            if len(self._fired) > MOST_FIRED:
                self._fired.popitem(last=False)
            self._tell(level_of(crossing))

    def watch(self, now_ns: int, standing: Callable[[Counter], Standing]) -> None:
        """Tell the end of levels: their window is over, or somebody reset or raised the budget."""
        asked = 0
        for key, levels in list(self._fired.items()):
            counter = next(iter(levels.values())).counter
            if counter.end is not None and counter.end * SECOND <= now_ns:
                gone = list(levels.values())
            elif asked < LOOKED_AT:
                asked += 1
                self._fired.move_to_end(key)
                fired = standing(counter).tally.fired
                places = {level / PPM: place for place, level in enumerate(counter.limits.levels)}
                gone = [crossing for level, crossing in levels.items() if not fired >> places.get(level, 0) & 1]
            else:
                continue
            for crossing in gone:
                del levels[crossing.level]
                self._tell(level_of(crossing, resolved=True))
            if not levels:
                self._fired.pop(key, None)

    def after_fork(self) -> None:
        """In a forked child: what was told is the parent's to take back."""
        self._fired.clear()

    def _tell(self, level: Level) -> None:
        self._guard.run("telling a level of a budget", self._emit, level)
        budget = self._budgets.get(level.budget)
        if budget is not None and budget.on_level is not None:
            self._guard.run(f"on_level of budget {level.budget!r}", budget.on_level, level)

    def _emit(self, level: Level) -> None:
        unit = "tokens" if isinstance(level.limit, int) else "usd"
        found: dict[str, str | bool | int | float] = {
            names.BUDGET_NAME: level.budget,
            names.BUDGET_LEVEL: level.level,
            names.BUDGET_UNIT: unit,
            names.BUDGET_LIMIT.name: float(level.limit),
            names.BUDGET_SPENT.name: float(level.spent),
            names.BUDGET_RESOLVED: level.resolved,
        }
        if level.scope:
            found[names.BUDGET_SCOPE] = level.scope
        if level.resets_at is not None:
            found[names.BUDGET_RESETS_AT] = level.resets_at.isoformat()
        severity = SeverityNumber.INFO if level.resolved or level.level < 1 else SeverityNumber.WARN
        self._logger().emit(
            context=Context(), severity_number=severity, event_name=names.EVENT_BUDGET_LEVEL, attributes=found
        )
