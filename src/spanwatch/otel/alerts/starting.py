"""Rules and notifiers of the settings as a working evaluator, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spanwatch.core.budgets import Budget
from spanwatch.core.call import Call
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.redact import redact
from spanwatch.core.series import SECOND_NS
from spanwatch.core.settings import Settings
from spanwatch.notify.log import Log
from spanwatch.notify.routing import routes_of
from spanwatch.notify.tables import from_table
from spanwatch.otel.alerts.calls import CallRules, watched
from spanwatch.otel.alerts.evaluator import Evaluator, Wiring
from spanwatch.otel.encode import Border
from spanwatch.otel.guard import Guard
from spanwatch.otel.live.live import Live


class Alerting:
    """What a runtime has of rules: the evaluator, or None without rules, and the budgets that its rules watch.

    Raises:
        ConfigurationError: a notifier cannot be had, or there are rules and no samples.
    """

    def __init__(
        self, settings: Settings, live: Live | None, guard: Guard, holder: Callable[[], str], border: Border
    ) -> None:
        self._guard, self.evaluator = guard, _evaluator(settings, live, guard, holder, border)
        self._rules = tuple(rule for rule in settings.rules if rule.when is not None)
        happen = None if self.evaluator is None else self.evaluator.happen
        self.budgets: tuple[Budget, ...] = () if happen is None else watched(settings.rules, happen)

    def observers(self, defer: Callable[[Callable[[], None]], None]) -> list[Callable[[Call], None]]:
        """What looks at each counted call."""
        if self.evaluator is None:
            return []
        call_rules = CallRules(self._rules, defer, self.evaluator.happen, self._guard)
        return [self.evaluator.evidence, *([call_rules] if self._rules else [])]

    def start(self) -> None:
        """Begin to evaluate."""
        if self.evaluator is not None:
            self.evaluator.start()

    def stop(self, drain: Callable[[], object]) -> None:
        """Begin to end, when `drain` has brought what call rules still have to see."""
        if self.evaluator is not None:
            drain()
            self.evaluator.stop()

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        if self.evaluator is not None:
            self.evaluator.join(timeout)

    def after_fork(self) -> None:
        """In a forked child: connections of its own."""
        if self.evaluator is not None:
            self.evaluator.after_fork()


def _evaluator(
    settings: Settings, live: Live | None, guard: Guard, holder: Callable[[], str], border: Border
) -> Evaluator | None:
    if not settings.rules:
        return None
    if live is None:
        raise ConfigurationError("setting rules needs samples of the metrics: give live_interval seconds from 1 on")
    wiring = Wiring(
        series=lambda window: live.find(None, window),
        holder=holder,
        guard=guard,
        home=Path(settings.home).absolute() if settings.store else None,
        service=redact(settings.service or "", rules=border.rules),
        refresh=live.refresh,
        step_ns=int(live.interval_s * SECOND_NS),
        border=border,
    )
    routes = routes_of(settings.notify or (Log(),), from_table)
    return Evaluator(settings.rules, routes, wiring, interval_s=live.interval_s)
