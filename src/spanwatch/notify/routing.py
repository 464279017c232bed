"""Routes: a notifier, and of which alerts it is told, in which groups, and how often again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spanwatch.core.durations import Duration, seconds
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.rules.alert import ALERTNAME, SEVERITIES, Notification
from spanwatch.core.rules.telling import Receiver

Notifier = Callable[[Notification], object]
_USUAL: Mapping[str, Any] = {
    "severities": ("warning", "critical"),
    "group_by": (ALERTNAME, "job"),
    "repeat": "4h",
    "whole": False,
}
_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Route:
    """A notifier and its receiver; `to()` makes one."""

    notifier: Notifier
    receiver: Receiver


def to(
    notifier: Notifier,
    *,
    name: str | None = None,
    severities: Sequence[str] | None = None,
    group_by: Sequence[str] | None = None,
    repeat: Duration | None = None,
) -> Route:
    """Tell a notifier of alerts of these severities: by default warning and critical.

    `group_by` are labels: alerts that agree in them are told together. `repeat` is how long until what still fires is
    told again. `name` is what its notification log is kept by; by default the notifier's own.

    Raises:
        TypeError: the notifier is no callable.
        ConfigurationError: a severity or length of time is none.
    """
    if not callable(notifier):
        raise TypeError(f"a notifier is a callable that takes a Notification, not {notifier!r}")
    usual: Mapping[str, Any] = {**_USUAL, **getattr(notifier, "route", {})}
    severities = usual["severities"] if severities is None else _several(severities)
    for severity in severities:
        if severity not in SEVERITIES:
            raise ConfigurationError(f"severities are {', '.join(SEVERITIES)}, not {severity!r}")
    try:
        repeat_ns = int(seconds(usual["repeat"] if repeat is None else repeat) * 1e9)
    except ValueError as error:
        raise ConfigurationError(f"repeat: {error}") from None
    groups = usual["group_by"] if group_by is None else _several(group_by)
    chosen = Receiver(name or _named(notifier), frozenset(severities), groups, repeat_ns, whole=bool(usual["whole"]))
    return Route(notifier, chosen)


def routes_of(given: Iterable[Any], from_table: Callable[[Mapping[str, Any]], Route]) -> tuple[Route, ...]:
    """The routes of what a setting has: routes, notifiers, and tables of a file; each with a name of its own.

    Raises:
        TypeError, ConfigurationError: one of them is none.
    """
    found: dict[str, Route] = {}
    for each in given:
        route = each if isinstance(each, Route) else from_table(each) if isinstance(each, Mapping) else to(each)
        name, number = route.receiver.name, 1
        while name in found:
            number += 1
            name = f"{route.receiver.name}-{number}"
        found[name] = replace(route, receiver=replace(route.receiver, name=name))
    return tuple(found.values())


def _several(given: Sequence[str]) -> tuple[str, ...]:
    """One word, or several; one alone is not taken for its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def _named(notifier: Notifier) -> str:
    own = getattr(notifier, "receiver_name", None)
    text = own if isinstance(own, str) else getattr(notifier, "__qualname__", type(notifier).__qualname__)
    return _NAME.sub("-", text).strip("-") or "notifier"
