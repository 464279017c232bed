"""How an alert lives: from what a rule found to pending, firing and resolved.

As in Prometheus an alert is pending while it is true for less than `for_`, then fires, and is over when it is not true
any more, `keep_firing_for` apart. One that has fired three times within ten minutes flaps: it then stands until it has
not been true for five minutes, so that it is told once and not at every turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from spanwatch.core.points import Labels
from spanwatch.core.rules.alert import ALERTNAME, SEVERITY, Alert, Firing, State
from spanwatch.core.rules.declaration import Rule
from spanwatch.core.rules.templates import filled
from spanwatch.core.series import SECOND_NS

FLAPS = 3
FLAP_WINDOW_NS = 600 * SECOND_NS
FLAP_HOLD_NS = 300 * SECOND_NS
RESOLVED_NS = 15 * 60 * SECOND_NS  # how long one that is over is known, so that its end can be told
MOST_OF_RULE = 500  # alerts of one rule; further label sets are left out, and the rule's health says so
MAX_LABEL = 1_000

Alerts = Mapping[Labels, Alert]


@dataclass(frozen=True, slots=True)
class Step:
    """What an evaluation made of a rule's alerts: those that stand, and those that began to fire or ended just now."""

    alerts: dict[Labels, Alert]
    fired: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    left_out: int = 0


def step(rule: Rule, before: Alerts, found: Sequence[Firing], now_ns: int) -> Step:
    """The rule's alerts at `now_ns`, which may be before the last time: clocks step."""
    true = {labels_of(rule, each): each for each in found[:MOST_OF_RULE]}
    alerts: dict[Labels, Alert] = {}
    for labels, firing in true.items():
        alerts[labels] = _true(rule, labels, before.get(labels), firing, now_ns)
    for labels, alert in before.items():
        if labels not in true:
            after = _untrue(rule, alert, now_ns)
            if after is not None:
                alerts[labels] = after
    fired = tuple(
        each for key, each in alerts.items() if _state(each) == "firing" and _state(before.get(key)) != "firing"
    )
    over = tuple(
        each for key, each in alerts.items() if _state(each) == "resolved" and _state(before.get(key)) == "firing"
    )
    return Step(alerts, fired, over, max(0, len(found) - MOST_OF_RULE))


def happened(rule: Rule, known: Alert | None, firing: Firing, at_ns: int, until_ns: int) -> Alert:
    """The alert of what happened once, or of a level that was reached: it fires at once and until then."""
    alert = _true(replace(rule, for_="0s"), labels_of(rule, firing), known, firing, at_ns)
    return replace(alert, until_ns=max(until_ns, alert.true_ns))


def labels_of(rule: Rule, firing: Firing) -> Labels:
    """The labels of an alert: those of what was found, those of the rule, its name and severity."""
    found = {key: value[:MAX_LABEL] for key, value in firing.labels if key != "__name__"}
    given = {key: filled(text, found, firing.value)[:MAX_LABEL] for key, text in rule.labels.items()}
    named = {**found, **given, ALERTNAME: rule.name, SEVERITY: rule.severity}
    return tuple(sorted((key, value) for key, value in named.items() if value))


def _true(rule: Rule, labels: Labels, known: Alert | None, firing: Firing, now_ns: int) -> Alert:
    if known is None or known.state is State.RESOLVED or known.since_ns > now_ns:
        fires = () if known is None else known.fires
        known = Alert(labels, State.PENDING, now_ns, fires=fires)
    alert = replace(known, value=firing.value, true_ns=now_ns, trace_ids=firing.trace_ids or known.trace_ids)
    if alert.state is State.PENDING and now_ns - alert.since_ns >= rule.for_s * SECOND_NS:
        fires = (*(at for at in alert.fires if 0 <= now_ns - at < FLAP_WINDOW_NS), now_ns)
        alert = replace(alert, state=State.FIRING, fired_ns=now_ns, fires=fires)
    return _told(rule, alert, firing)


def _told(rule: Rule, alert: Alert, firing: Firing) -> Alert:
    labels = {key: value for key, value in firing.labels if key != "__name__"}
    return replace(
        alert,
        summary=filled(rule.summary, labels, firing.value) or rule.name,
        description=filled(rule.description, labels, firing.value),
        runbook_url=rule.runbook_url,
        dashboard_url=rule.dashboard_url,
    )


def _untrue(rule: Rule, alert: Alert, now_ns: int) -> Alert | None:
    if alert.state is State.PENDING:
        return None
    if alert.state is State.RESOLVED:
        age = now_ns - (alert.ended_ns or now_ns)
        return alert if 0 <= age < max(RESOLVED_NS, FLAP_WINDOW_NS if alert.fires else 0) else None
    held = max(rule.keep_s * SECOND_NS, FLAP_HOLD_NS if flaps(alert, now_ns) else 0)
    if alert.until_ns is not None:
        held = alert.until_ns - alert.true_ns
    if 0 <= now_ns - alert.true_ns < held:
        return alert
    return replace(alert, state=State.RESOLVED, ended_ns=now_ns)


def flaps(alert: Alert, now_ns: int) -> bool:
    """Whether an alert has fired so often lately that it is told once for all of it."""
    return sum(0 <= now_ns - at < FLAP_WINDOW_NS for at in alert.fires) >= FLAPS


def _state(alert: Alert | None) -> str:
    return "" if alert is None else alert.state.value


def shown(alerts: Iterable[Alert]) -> list[Alert]:
    """Those that are pending or fire, the worst and oldest first."""
    order = {"critical": 0, "warning": 1, "info": 2}
    live = [alert for alert in alerts if alert.state is not State.RESOLVED]
    return sorted(live, key=lambda each: (each.state.value, order.get(each.severity, 3), each.since_ns, each.labels))
