"""What is told to whom and when: groups, repeats, inhibition, and storms that become one summary.

The plan of a receiver is made anew at each evaluation from what stands and what was told; nothing is lost when a
delivery fails, because only what arrived counts as told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from spanwatch.core.points import Labels
from spanwatch.core.rules.alert import ALERTNAME, SEVERITY, Alert, Notification, State, fingerprint
from spanwatch.core.rules.declaration import Rule
from spanwatch.core.rules.silences import Silence, silenced
from spanwatch.core.series import SECOND_NS

REPEAT_NS = 4 * 3_600 * SECOND_NS
GROUPS_AT_ONCE = 20  # further groups that are due at one moment are told as one summary
ALERTS_AT_ONCE = 50  # in one notification
STORM = "storm"


@dataclass(frozen=True, slots=True)
class Told:
    """What a receiver was told of a group: the fingerprints that fired then, and when."""

    firing: frozenset[str]
    at_ns: int

    def as_json(self) -> str:
        """Text for the store."""
        return json.dumps({"firing": sorted(self.firing), "at": self.at_ns})


def told_from(text: str) -> Told:
    """What `as_json` gave."""
    found = json.loads(text)
    return Told(frozenset(found["firing"]), int(found["at"]))


@dataclass(frozen=True, slots=True)
class Due:
    """A notification, and what counts as told of its groups when it has arrived."""

    notification: Notification
    told: tuple[tuple[str, Told], ...]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told: of which severities, grouped by which labels, repeated how often."""

    name: str
    severities: frozenset[str]
    group_by: tuple[str, ...] = (ALERTNAME, "job")
    repeat_ns: int = REPEAT_NS
    whole: bool = False  # every alert in one notification, however many: who is told routes them itself


def due(
    receiver: Receiver, alerts: Iterable[Alert], told: Mapping[str, Told], now_ns: int, *, service: str = ""
) -> list[Due]:
    """What has to be told now; `told` is by group key. Quiet alerts must be taken out of `alerts` before."""
    groups: dict[str, list[Alert]] = {}
    labels: dict[str, Labels] = {}
    for alert in alerts:
        if alert.severity in receiver.severities and alert.state is not State.PENDING:
            shared = tuple(pair for pair in alert.labels if pair[0] in receiver.group_by)
            key = fingerprint(shared)
            labels[key] = shared
            groups.setdefault(key, []).append(alert)
    found = []
    for key, members in sorted(groups.items()):
        one = _due(receiver, labels[key], members, told.get(key), now_ns)
        if one is not None:
            found.append(one)
    if len(found) > GROUPS_AT_ONCE:
        found = [_summary(receiver, found)]
    elif (over := _storm_is_over(receiver, groups, told.get(STORM), now_ns)) is not None:
        found.append(over)
    return [replace(each, notification=replace(each.notification, service=service)) for each in found]


def _due(receiver: Receiver, labels: Labels, members: Sequence[Alert], told: Told | None, now_ns: int) -> Due | None:
    key = fingerprint(labels)
    firing = {alert.fingerprint: alert for alert in members if alert.state is State.FIRING}
    before = frozenset[str]() if told is None else told.firing
    over = [each for each in members if each.state is State.RESOLVED and each.fingerprint in before]
    is_new = not firing.keys() <= before
    is_repeat = bool(firing) and told is not None and not 0 <= now_ns - told.at_ns < receiver.repeat_ns
    if not (is_new or over or is_repeat):
        return None
    alerts = (*sorted(firing.values(), key=lambda each: (each.since_ns, each.labels)), *over)
    most = len(alerts) if receiver.whole else ALERTS_AT_ONCE
    shown, omitted = alerts[:most], max(0, len(alerts) - most)
    status = "firing" if firing else "resolved"
    notification = Notification(receiver.name, key, status, labels, shown, omitted)  # type: ignore[arg-type]
    return Due(notification, ((key, Told(frozenset(firing), now_ns)),))


def _summary(receiver: Receiver, found: Sequence[Due]) -> Due:
    """One notification for a storm: of each group the first alert, those that fire before those that are over."""
    alerts = [alert for each in found for alert in each.notification.alerts]
    first = sorted((each.notification.alerts[0] for each in found), key=lambda alert: alert.state is not State.FIRING)
    shown = tuple(first[:ALERTS_AT_ONCE])
    status = "firing" if any(alert.state is State.FIRING for alert in alerts) else "resolved"
    more = len(alerts) + sum(each.notification.omitted for each in found) - len(shown)
    notification = Notification(receiver.name, STORM, status, (), shown, more)  # type: ignore[arg-type]
    told = tuple(pair for each in found for pair in each.told)
    firing = frozenset[str]().union(*(each.firing for _, each in told))
    return Due(notification, (*told, (STORM, Told(firing, max(each.at_ns for _, each in told)))))


def _storm_is_over(
    receiver: Receiver, groups: Mapping[str, Sequence[Alert]], told: Told | None, now_ns: int
) -> Due | None:
    """The end of a storm that was told as one: nothing of it fires any more."""
    known = [alert for members in groups.values() for alert in members]
    if told is None or not told.firing:
        return None
    if any(alert.fingerprint in told.firing and alert.state is State.FIRING for alert in known):
        return None
    over = tuple(alert for alert in known if alert.fingerprint in told.firing)
    notification = Notification(receiver.name, STORM, "resolved", (), over[:ALERTS_AT_ONCE], len(over[ALERTS_AT_ONCE:]))
    return Due(notification, ((STORM, Told(frozenset(), now_ns)),))


def audible(
    alerts: Iterable[Alert], rules: Mapping[str, Rule], silences: Sequence[Silence], now_ns: int
) -> list[Alert]:
    """The alerts that may be told: neither silenced nor inhibited by another that fires.

    One that is over is told, whatever came since, if it was told before.
    """
    live = list(alerts)
    firing = [alert for alert in live if alert.state is State.FIRING]
    return [
        alert
        for alert in live
        if alert.state is State.RESOLVED
        or not (silenced(alert, silences, now_ns) or any(inhibits(rules, source, alert) for source in firing))
    ]


def inhibits(rules: Mapping[str, Rule], source: Alert, target: Alert) -> bool:
    """Whether one alert keeps another quiet: its rule says so, and the labels that both have agree."""
    rule = rules.get(source.name)
    if rule is None or target.name not in rule.inhibits or source.labels == target.labels:
        return False
    theirs = dict(target.labels)
    own = {ALERTNAME, SEVERITY}
    return all(theirs.get(key, value) == value for key, value in source.labels if key not in own)


def marked(alerts: Iterable[Alert], silences: Sequence[Silence], now_ns: int) -> list[Alert]:
    """The alerts with the silence that keeps each quiet."""
    return [replace(alert, silenced_by=silenced(alert, silences, now_ns)) for alert in alerts]
