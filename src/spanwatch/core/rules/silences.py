"""Silences: alerts that fit are not told for a while. They fire all the same, and are shown as silenced."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanwatch.core.errors import UsageError
from spanwatch.core.promql.regex import Pattern, Unsupported
from spanwatch.core.rules.alert import ALERTNAME, Alert

_PART = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Silence:
    """Conditions that an alert has to meet, all of them, and until when; times are UNIX nanoseconds."""

    id: str
    conditions: tuple[str, ...]
    since_ns: int
    until_ns: int
    by: str = ""
    comment: str = ""


def conditions_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Conditions as `name=value`, `=~`, `!=`, `!~`; a word alone is the alert's name.

    Raises:
        UsageError: one of them is none.
    """
    if not texts:
        raise UsageError("say what to silence: an alert's name, or conditions such as severity=warning")
    found = tuple(text.strip() if _PART.fullmatch(text.strip()) else f"{ALERTNAME}={text.strip()}" for text in texts)
    for text in found:
        fits(text, {})
    return found


def fits(condition: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet one condition.

    Raises:
        UsageError: it is none.
    """
    parts = _PART.fullmatch(condition)
    if parts is None:
        raise UsageError(f"{condition!r} is no condition: write name=value, name!=value, name=~regex or name!~regex")
    value = labels.get(parts[1], "")
    if parts[2] in {"=", "!="}:
        return (value == parts[3]) == (parts[2] == "=")
    try:
        return Pattern(parts[3]).matches(value) == (parts[2] == "=~")
    except Unsupported as error:
        raise UsageError(f"{condition!r} has no regular expression that can be used: {error}") from None


def silenced(alert: Alert, silences: Iterable[Silence], now_ns: int) -> str | None:
    """The id of a silence in force that an alert meets."""
    labels = dict(alert.labels)
    for silence in silences:
        if silence.since_ns <= now_ns < silence.until_ns and all(fits(each, labels) for each in silence.conditions):
            return silence.id
    return None


def conditions_text(conditions: Sequence[str]) -> str:
    """Conditions as text for the store."""
    return json.dumps(list(conditions))


def conditions_from(text: str) -> tuple[str, ...]:
    """What `conditions_text` gave."""
    return tuple(map(str, json.loads(text)))
