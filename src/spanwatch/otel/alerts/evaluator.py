"""The evaluator: a thread that, in one process of all that share a home, asks every rule and tells what it found."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from spanwatch.core.errors import EvaluationError
from spanwatch.core.points import Labels
from spanwatch.core.promql import RingSource
from spanwatch.core.promql.aggregates import Groups
from spanwatch.core.promql.nodes import Selector
from spanwatch.core.promql.ring import Memory
from spanwatch.core.promql.tracks import LOOKBACK_MS
from spanwatch.core.rules import Alert, Firing, Rule, State
from spanwatch.core.rules.asking import Answer, Moment, ask
from spanwatch.core.rules.lifecycle import happened, labels_of, shown, step
from spanwatch.core.rules.telling import Due, audible, due, marked
from spanwatch.core.series import SECOND_NS, Series
from spanwatch.core.windows import Window
from spanwatch.notify.routing import Route
from spanwatch.otel.alerts.calls import from_text, to_text
from spanwatch.otel.alerts.couriers import Courier
from spanwatch.otel.alerts.evidence import Evidence
from spanwatch.otel.alerts.patience import Patience
from spanwatch.otel.bounded import Bounded, left
from spanwatch.otel.clearing import cleared_labels
from spanwatch.otel.daemon import Daemon
from spanwatch.otel.encode import Border
from spanwatch.otel.guard import Guard, say
from spanwatch.store.alerts import AlertBook

LEASE = 3.0  # intervals that a process which evaluates may be silent before another takes over
POLL_S = 1.0  # how often what happened elsewhere is looked for
CHECK_S = 5.0  # how long a rule in Python may take, or a collection of the latest samples
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an evaluator needs of the process around it.

    `series` gives the samples of a window, `holder` who this process is, `service` its name; `home` has the store,
    `border` says what may be told.
    """

    series: Callable[[Window], Sequence[Series]]
    holder: Callable[[], str]
    guard: Guard
    home: Path | None = None
    service: str = ""
    refresh: Callable[[], object] = lambda: None
    clock: Callable[[], int] = time.time_ns
    step_ns: int = 15 * SECOND_NS
    border: Border = field(default_factory=Border)


@dataclass(slots=True)
class _Held:
    """Alerts as this process knows them last."""

    alerts: tuple[Alert, ...] = ()
    firing: frozenset[str] = field(default_factory=frozenset)


class Evaluator:
    """Evaluates rules every `interval_s` where it is this process's turn, and else looks at what another found.

    Args:
        rules: All of them.
        routes: Who is told.
        wiring: The process around.
        interval_s: Seconds between evaluations.
    """

    def __init__(self, rules: Sequence[Rule], routes: Sequence[Route], wiring: Wiring, *, interval_s: float) -> None:
        self.rules, self.interval_s = tuple(rules), interval_s
        self.book = AlertBook(wiring.home)
        self._wiring, self._guard = wiring, wiring.guard
        self._by_name = {rule.name: rule for rule in rules}
        self._longest_ns = max((r.loaded.window_ms for r in rules if r.loaded is not None), default=0) * _MS
        self._couriers = [Courier(route, self._arrived, self._guard) for route in routes]
        self.evidence, self._memory, self._groups = Evidence(wiring.home), Memory(), Groups()
        self._patience = Patience("spanwatch-alert-checks")
        self._renew()
        self._daemon = Daemon("spanwatch-alerts", self._loop, self._renew)
        self._actions = Bounded("spanwatch-alert-actions")

    def start(self) -> None:
        """Start the threads; now, for Python 3.12 starts none while it shuts down, when alerts may still be due."""
        for courier in self._couriers:
            courier.start()
        self._daemon.ensure()

    def stop(self) -> None:
        """Begin to end: evaluate a last time, let another process take over, tell what is due once."""
        self._stop.set()
        self._poke.set()
        self._daemon.ensure()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether all that was due was tried."""
        deadline = time.monotonic() + timeout
        ended = self._daemon.join(timeout)
        for courier in self._couriers:
            ended = courier.join(left(deadline)) and ended
        self._patience.end()
        self._actions.end()
        self.book.close()
        return ended

    def after_fork(self) -> None:
        """In a forked child: another connection to the book."""
        self.book.after_fork()

    def firing(self, rule: str) -> Alert | None:
        """An alert of this rule that fires, as far as this process knows; never waits."""
        if rule not in self._held.firing:
            return None
        return next((each for each in self._held.alerts if each.name == rule and each.state is State.FIRING), None)

    def knows(self, rule: str) -> bool:
        """Whether there is such a rule."""
        return rule in self._by_name

    def alerts(self) -> list[Alert]:
        """All alerts that are pending or fire, whichever process evaluates, with the silence that keeps each quiet."""
        now = self._wiring.clock()
        found = [alert for alerts in self.book.alerts().values() for alert in alerts]
        return marked(shown(found), self.book.silences(now), now)

    def happen(self, rule: Rule, firing: Firing, at_ns: int, until_ns: int) -> None:
        """Something happened that a rule is about; never raises."""
        self._guard.run("handing in what happened", self._hand_in, rule, firing, at_ns, until_ns)

    def _hand_in(self, rule: Rule, firing: Firing, at_ns: int, until_ns: int) -> None:
        self.book.happen(rule.name, to_text(self._cleared(firing), at_ns, until_ns))
        self._poke.set()

    def evaluate(self) -> bool:
        """Evaluate now if it is this process's turn; whether it was."""
        with self._turn:
            now = self._wiring.clock()
            if not self._leads(now):
                self._look()
                return False
            self._refresh()
            self._step(self._wiring.clock())
            return True

    def _loop(self) -> None:
        due_at = time.monotonic() + min(self.interval_s, POLL_S)
        while not self._stop.is_set():
            self._poke.wait(max(0.0, min(POLL_S, due_at - time.monotonic())))
            self._poke.clear()
            if time.monotonic() >= due_at:
                due_at = time.monotonic() + self.interval_s
                self._guard.run("evaluating rules", self.evaluate)
            else:
                self._guard.run("looking at what happened", self._take_over)
        self._guard.run("evaluating rules", self.evaluate)
        self._guard.run("handing over to another process", self.book.resign, self._wiring.holder())
        for courier in self._couriers:
            courier.stop()

    def _take_over(self) -> None:
        """Between evaluations: what happened, in whichever process, becomes alerts at once."""
        if not self.book.happenings():
            self._tell(self._wiring.clock())
            return
        with self._turn:
            now = self._wiring.clock()
            if self._leads(now):
                self._happened(now)
                self._tell(now)

    def _leads(self, now_ns: int) -> bool:
        lease = int(max(LEASE * self.interval_s, 3 * POLL_S) * SECOND_NS)
        self._leading = self.book.lead(self._wiring.holder(), now_ns, now_ns + lease)
        return self._leading

    def _step(self, now_ns: int) -> None:
        self._happened(now_ns)
        series = self._series(Window(now_ns - self._longest_ns - LOOKBACK_MS * _MS, now_ns))
        newest_ns = max((each.seen_ns for each in series or ()), default=0)
        source = RingSource(series or (), self._wiring.step_ns, self._memory)
        at_ns = max(now_ns, newest_ns)  # a clock that stepped back hides nothing that is new
        moment = Moment(source, at_ns, self._groups)
        before = self.book.alerts()
        self.book.keep_only(self._by_name)
        quick = [rule for rule in self.rules if rule.check is None and (series is not None or rule.loaded is None)]
        for rules in (quick, [rule for rule in self.rules if rule.check is not None]):
            answers = [(rule, self._asked(rule, moment, now_ns)) for rule in rules]
            with self.book.together():
                for rule, answer in answers:
                    if answer is not None and not answer.unknown:
                        self._save(rule, before.get(rule.name, ()), answer.found, now_ns)
            self._tell(now_ns)

    def _refresh(self) -> None:
        """Have the latest samples, unless a callback of the application hangs: then those that there are must do."""
        limit_s = min(CHECK_S, self.interval_s)
        self._guard.run("collecting metrics for rules", self._patience.of, "", self._wiring.refresh, limit_s)

    def _series(self, window: Window) -> Sequence[Series] | None:
        """The samples of a window; None when they cannot be read: then what rules found before stands."""
        return self._guard.run("reading samples for rules", self._wiring.series, window)

    def _asked(self, rule: Rule, moment: Moment, now_ns: int) -> Answer | None:
        try:
            answer = (
                self._checked(rule, moment) if rule.check is not None else ask(rule, moment, self._exemplars(now_ns))
            )
        except EvaluationError as error:
            self._trouble(rule, now_ns, str(error))
            return None
        except Exception as error:  # noqa: BLE001 (a rule in Python may raise anything; the others go on)
            self._trouble(rule, now_ns, f"it raised {type(error).__qualname__}")
            return None
        if rule.name in self._troubled:
            self._troubled.discard(rule.name)
            self.book.trouble(rule.name, now_ns, None)
        return answer

    def _checked(self, rule: Rule, moment: Moment) -> Answer:
        """What a callable finds, on a thread that can be given up."""
        return self._patience.of(rule.name, lambda: ask(rule, moment), min(CHECK_S, self.interval_s))

    def _trouble(self, rule: Rule, now_ns: int, text: str) -> None:
        if rule.name not in self._troubled:
            say("rule %s cannot be evaluated: %s", repr(rule.name), text)
        self._troubled.add(rule.name)
        self.book.trouble(rule.name, now_ns, text)

    def _exemplars(self, now_ns: int) -> Callable[[Sequence[Selector], Labels], tuple[str, ...]]:
        return lambda selectors, labels: (
            self._guard.run("finding traces", self.evidence.of, selectors, labels, now_ns) or ()
        )

    def _save(self, rule: Rule, before: Iterable[Alert], found: Sequence[Firing], now_ns: int) -> None:
        cleared = [self._cleared(each) for each in found]
        result = step(rule, {alert.labels: alert for alert in before}, cleared, now_ns)
        changed = (*result.fired, *result.resolved)
        self.book.save(rule.name, result.alerts.values(), changed, now_ns)
        self._act(rule, result.fired, result.resolved)

    def _cleared(self, firing: Firing) -> Firing:
        """What a predicate, a check or a call says of itself may hold a secret, which no notifier gets."""
        return replace(firing, labels=cleared_labels(firing.labels, self._wiring.border))

    def _happened(self, now_ns: int) -> None:
        waiting = self.book.happenings()
        if not waiting:
            return
        with self.book.together():
            alerts = self.book.alerts()
            for _, name, body in waiting:
                rule = self._by_name.get(name)
                if rule is not None:
                    with contextlib.suppress(ValueError, TypeError):
                        self._enter(rule, alerts, from_text(body), now_ns)
            self.book.done(waiting[-1][0])

    def _enter(self, rule: Rule, alerts: dict[str, list[Alert]], what: tuple[Firing, int, int], now_ns: int) -> None:
        firing, at_ns, until_ns = what
        known = {alert.labels: alert for alert in alerts.get(rule.name, ())}
        labels = labels_of(rule, firing)
        before = known.get(labels)
        was_firing = before is not None and before.state is State.FIRING
        if not was_firing and until_ns <= at_ns:
            return
        known[labels] = happened(rule, before, firing, at_ns, until_ns)
        fired = () if was_firing else (known[labels],)
        alerts[rule.name] = list(known.values())
        self.book.save(rule.name, known.values(), fired, now_ns)
        self._act(rule, fired, ())

    def _act(self, rule: Rule, fired: Sequence[Alert], resolved: Sequence[Alert]) -> None:
        for action, alerts, word in ((rule.on_fire, fired, "on_fire"), (rule.on_resolve, resolved, "on_resolve")):
            if action is not None:
                for alert in alerts:
                    self._actions.start(partial(self._guard.run, f"{word} of rule {rule.name!r}", action, alert))

    def _tell(self, now_ns: int) -> None:
        self._look()
        if not self._leading:
            return
        silences = self.book.silences(now_ns)
        alerts = audible(self._known, self._by_name, silences, now_ns)
        for courier in self._couriers:
            receiver = courier.route.receiver
            told = self.book.told(receiver.name)
            courier.post(due(receiver, alerts, told, now_ns, service=self._wiring.service))

    def _look(self) -> None:
        self._known = [alert for alerts in self.book.alerts().values() for alert in alerts]
        firing = frozenset(alert.name for alert in self._known if alert.state is State.FIRING)
        self._held = _Held(tuple(self._known), firing)

    def _arrived(self, route: Route, one: Due) -> None:
        self.book.tell(route.receiver.name, one.told)

    def _renew(self) -> None:
        self._stop, self._poke, self._turn = threading.Event(), threading.Event(), threading.RLock()
        self._held, self._known, self._leading = _Held(), list[Alert](), False
        self._troubled: set[str] = set()
        self._patience.renew()
