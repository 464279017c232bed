"""active(), history(), check(), silence(): alerts as the application asks for them; and breaker()."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from spanwatch.core.durations import Duration, seconds
from spanwatch.core.errors import CircuitOpen, ConfigurationError
from spanwatch.core.rules import Alert
from spanwatch.core.rules.silences import Silence, conditions_of
from spanwatch.core.times import moment
from spanwatch.otel.alerts.evaluator import Evaluator
from spanwatch.otel.setup import INSTANCE
from spanwatch.store.alerts import Change

_SECOND_NS = 1_000_000_000


def active(*, severity: str | Sequence[str] | None = None, name: str | None = None) -> list[Alert]:
    """The alerts that are pending or fire, the worst and oldest first, of all processes that share this home.

    `silenced_by` says which silence keeps one quiet. Empty where spanwatch is not configured or has no rules.
    """
    evaluator = _evaluator()
    wanted = None if severity is None else {severity} if isinstance(severity, str) else set(severity)
    found = [] if evaluator is None else evaluator.alerts()
    return [
        alert
        for alert in found
        if (wanted is None or alert.severity in wanted) and (name is None or alert.name == name)
    ]


def history(since: str | datetime | None = None, limit: int = 100) -> list[Change]:
    """What began to fire and what ended, latest first; `since` is an age such as `1h`, or a time.

    Raises:
        UsageError: `since` is neither.
    """
    evaluator = _evaluator()
    text = since.isoformat() if isinstance(since, datetime) else since
    since_ns = moment(text, "since", time.time_ns()) or 0
    return [] if evaluator is None else evaluator.book.history(since_ns, limit)


def check() -> list[Alert]:
    """Evaluate all rules now, unless another process of this home does, and say what stands."""
    evaluator = _evaluator()
    if evaluator is None:
        return []
    evaluator.evaluate()
    return evaluator.alerts()


def silence(*conditions: str, lasts: Duration = "1h", by: str = "", comment: str = "") -> str:
    """Keep alerts quiet that meet all conditions, such as `"HighErrorRate"`, `"job=bot"`; returns the silence's id.

    Raises:
        ValueError: a condition or length of time is none.
        ConfigurationError: there are no rules.
    """
    evaluator = _needed()
    now = time.time_ns()
    made = Silence(
        secrets.token_hex(4), conditions_of(conditions), now, now + int(seconds(lasts) * _SECOND_NS), by, comment
    )
    evaluator.book.silence(made)
    return made.id


def unsilence(silence_id: str) -> bool:
    """End a silence; False where there is none of this id."""
    return _needed().book.unsilence(silence_id)


def silences() -> list[Silence]:
    """The silences that are in force."""
    evaluator = _evaluator()
    return [] if evaluator is None else evaluator.book.silences(time.time_ns())


@contextlib.contextmanager
def breaker(name: str) -> Iterator[None]:
    """Begin a block, or a function that it decorates, only while the rule of this name does not fire.

    It never waits: what this process knows of the rule is as old as an evaluation at most.

    Raises:
        CircuitOpen: the rule fires.
        ConfigurationError: spanwatch has rules, and none of this name.
    """
    evaluator = _evaluator()
    if evaluator is not None:
        if not evaluator.knows(name):
            known = ", ".join(sorted(rule.name for rule in evaluator.rules))
            raise ConfigurationError(f"there is no rule {name!r} for a breaker; the rules are {known}")
        alert = evaluator.firing(name)
        if alert is not None:
            raise CircuitOpen(name, alert.summary)
    yield


def _evaluator() -> Evaluator | None:
    runtime = INSTANCE.runtime
    return None if runtime is None else runtime.alerts


def _needed() -> Evaluator:
    evaluator = _evaluator()
    if evaluator is None:
        raise ConfigurationError("there are no rules: give configure(rules=...) some, or rules = 'default' in a file")
    return evaluator
