"""How an agent is: measures of a window against limits, with every reason, and a state that does not flap.

A worse state is taken at once. A better one is taken when the value is clearly on the limit's good side, by `MARGIN`,
and the worse state has stood for `HOLD_S`. Too little to judge by is `no_data`, a state of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

MARGIN = 0.02  # of a success rate so much of the whole, of every other measure five times so much of its limit
HOLD_S = 60.0


class HealthState(StrEnum):
    """How something is, from best to worst; `no_data` is beside them."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    NO_DATA = "no_data"


_ORDER = (HealthState.NO_DATA, HealthState.HEALTHY, HealthState.DEGRADED, HealthState.UNHEALTHY)


@dataclass(frozen=True, slots=True)
class Limit:
    """From which value on something is degraded, and from which unhealthy; None is never."""

    degraded: float | None = None
    unhealthy: float | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits: success rate (below), mean and p95 seconds, unpriced share of calls, items lost (above)."""

    success_rate: Limit = Limit(0.95, 0.90)
    mean_s: Limit = Limit(5.0, 10.0)
    p95_s: Limit = Limit()
    unpriced_share: Limit = Limit()
    lost: Limit = Limit()


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured in a window; None is unknown.

    `counted` says what was counted: requests, or model calls where there are no requests. Those that were cancelled or
    refused are neither `succeeded` nor `failed`. `errors` are kinds of failure and how often, the most frequent first.
    """

    counted: str = "requests"
    succeeded: float | None = None
    failed: float | None = None
    neither: float = 0
    mean_s: float | None = None
    p95_s: float | None = None
    p95_bounds: tuple[float, float] | None = None
    errors: tuple[tuple[str, float], ...] = ()
    calls: float | None = None
    unpriced: float | None = None
    lost: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One check: what was measured, its limits, and what that means. Without limits a value is told and not judged."""

    name: str
    state: HealthState
    value: float | None
    limit: Limit
    text: str


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict: the worst of its reasons. `since_ns` is when the state began; both times are UNIX nanoseconds."""

    state: HealthState
    reasons: tuple[Reason, ...]
    at_ns: int
    since_ns: int
    window_s: float
    measures: Measures = field(default_factory=Measures)

    def __str__(self) -> str:
        told = "; ".join(reason.text for reason in self.reasons)
        return f"{self.state.value}: {told}" if told else self.state.value


Check = Callable[[Measures, Thresholds], "Reason | None"]


def verdict(
    measures: Measures, *, at_ns: int, window_s: float, thresholds: Thresholds, previous: Health | None = None
) -> Health:
    """The state at a moment, with the verdict before it, if there was one."""
    found = [reason for check in CHECKS if (reason := check(measures, thresholds)) is not None]
    if not measures.succeeded and not measures.failed:
        nothing = Reason("traffic", HealthState.NO_DATA, None, Limit(), _nothing(measures, window_s))
        state, reasons = HealthState.NO_DATA, (nothing, *(each for each in found if each.value is not None))
    else:
        reasons = tuple(_steadied(reason, previous, at_ns) for reason in found)
        worst = max((reason.state for reason in reasons), key=_ORDER.index)
        state = HealthState.HEALTHY if worst is HealthState.NO_DATA else worst
    since = previous.since_ns if previous is not None and previous.state is state else at_ns
    return Health(state, reasons, at_ns, since, window_s, measures)


def _steadied(reason: Reason, previous: Health | None, at_ns: int) -> Reason:
    """The reason, in the worse state it was in before when it is not clearly and not long enough better."""
    before = next((each for each in previous.reasons if each.name == reason.name), None) if previous else None
    if before is None or previous is None or _ORDER.index(before.state) <= _ORDER.index(reason.state):
        return reason
    if before.state is HealthState.NO_DATA or reason.value is None:
        return reason
    stood_s = (at_ns - previous.since_ns) / 1e9
    firm = _judged(reason.value, _tightened(reason), below=reason.name == "success_rate")
    if stood_s >= HOLD_S and firm is reason.state:
        return reason
    kept = before.state if stood_s < HOLD_S else max(firm, reason.state, key=_ORDER.index)
    if kept is reason.state:
        return reason
    return Reason(reason.name, kept, reason.value, reason.limit, f"{reason.text} (not yet clearly better)")


def _tightened(reason: Reason) -> Limit:
    """The limits that a better state has to keep."""
    if reason.name == "success_rate":
        return Limit(*(None if one is None else min(1.0, one + MARGIN) for one in _both(reason.limit)))
    return Limit(*(None if one is None else one * (1 - 5 * MARGIN) for one in _both(reason.limit)))


def _both(limit: Limit) -> tuple[float | None, float | None]:
    return limit.degraded, limit.unhealthy


def _judged(value: float | None, limit: Limit, *, below: bool = False) -> HealthState:
    """A value on a limit is still on its good side."""
    if value is None:
        return HealthState.NO_DATA
    for bound, state in ((limit.unhealthy, HealthState.UNHEALTHY), (limit.degraded, HealthState.DEGRADED)):
        if bound is not None and (value < bound if below else value > bound):
            return state
    return HealthState.HEALTHY


def _success(measures: Measures, thresholds: Thresholds) -> Reason:
    good, bad = measures.succeeded or 0, measures.failed or 0
    rate = good / (good + bad) if good + bad else None
    limit = thresholds.success_rate
    text = f"no {measures.counted} that succeeded or failed"
    if rate is not None:
        aside = f", {measures.neither:g} cancelled or refused" if measures.neither else ""
        text = f"success rate {_percent(rate)} of {good + bad:g} {measures.counted}{_told(limit, _percent)}{aside}"
    return Reason("success_rate", _judged(rate, limit, below=True), rate, limit, text)


def _mean(measures: Measures, thresholds: Thresholds) -> Reason:
    limit, value = thresholds.mean_s, measures.mean_s
    text = "mean duration unknown" if value is None else f"mean duration {_seconds(value)}{_told(limit, _seconds)}"
    return Reason("mean_s", _judged(value, limit), value, limit, text)


def _p95(measures: Measures, thresholds: Thresholds) -> Reason:
    limit, value = thresholds.p95_s, measures.p95_s
    text = "p95 duration unknown"
    if value is not None:
        low, high = measures.p95_bounds or (value, value)
        between = "" if low == high else f" (between {_seconds(low)} and {_seconds(high)})"
        text = f"p95 duration {_seconds(value)}{between}{_told(limit, _seconds)}"
    return Reason("p95_s", _judged(value, limit), value, limit, text)


def _errors(measures: Measures, _thresholds: Thresholds) -> Reason | None:
    if not measures.errors:
        return None
    kinds = ", ".join(f"{kind} {count:g}" for kind, count in measures.errors[:5])
    more = f" and {len(measures.errors) - 5} further kinds" if len(measures.errors) > 5 else ""
    return Reason("errors", HealthState.HEALTHY, measures.failed, Limit(), f"errors: {kinds}{more}")


def _unpriced(measures: Measures, thresholds: Thresholds) -> Reason | None:
    limit, calls, unpriced = thresholds.unpriced_share, measures.calls, measures.unpriced or 0
    if not calls:
        return None
    share = min(1.0, unpriced / calls)
    text = f"{_percent(share)} of {calls:g} model calls without a known cost{_told(limit, _percent)}"
    return Reason("unpriced_share", _judged(share, limit), share, limit, text)


def _lost(measures: Measures, thresholds: Thresholds) -> Reason | None:
    limit, lost = thresholds.lost, measures.lost
    if not lost:
        return None
    text = f"{lost:g} items of telemetry lost: sums are lower bounds{_told(limit, lambda value: f'{value:g}')}"
    return Reason("lost", _judged(lost, limit), lost, limit, text)


_SHARES = ("success_rate", "unpriced_share")
CHECKS: tuple[Check, ...] = (_success, _mean, _p95, _errors, _unpriced, _lost)


def thresholds_from(text: str) -> Thresholds:
    """Limits as a setting has them: `success_rate=0.95/0.9, mean_s=5/10, p95_s=off`; what is not said is the default.

    Raises:
        ValueError: a name or number is wrong.
    """
    known = {each.name for each in fields(Thresholds)}
    found: dict[str, Limit] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, separator, limits = (part.strip() for part in item.partition("="))
        if not separator or name not in known:
            raise ValueError(
                f"{item!r} is none of {', '.join(sorted(known))} with its limits, as in success_rate=0.95/0.9"
            )
        found[name] = _limit(limits)
        if name in _SHARES and max(found[name].degraded or 0, found[name].unhealthy or 0) > 1:
            raise ValueError(f"{name} is a part of 1, such as 0.95 for 95 %, not {limits!r}")
    return Thresholds(**found)


def _limit(text: str) -> Limit:
    if text.lower() == "off":
        return Limit()
    first, separator, second = text.partition("/")
    return Limit(_number(first), _number(second) if separator else None)


def _number(text: str) -> float | None:
    word = text.strip().lower()
    if word == "off":
        return None
    if not 0 <= (number := float(word)) < math.inf:  # NaN, too: nothing would ever be above or below it
        raise ValueError(f"a limit is a number from 0 on, or off, not {text!r}")
    return number


def as_json(health: Health) -> dict[str, object]:
    """The verdict as plain values, for JSON: infinite bounds are null."""
    return {
        "state": health.state.value,
        "at_ns": health.at_ns,
        "since_ns": health.since_ns,
        "window_s": health.window_s,
        "reasons": [
            {
                "name": reason.name,
                "state": reason.state.value,
                "value": reason.value,
                "degraded": reason.limit.degraded,
                "unhealthy": reason.limit.unhealthy,
                "text": reason.text,
            }
            for reason in health.reasons
        ],
        "errors": dict(health.measures.errors),
    }


def by_frequency(counts: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Kinds that occurred, the most frequent first."""
    return tuple(sorted(((k, n) for k, n in counts.items() if n), key=lambda item: (-item[1], item[0])))


def _nothing(measures: Measures, window_s: float) -> str:
    aside = f"; {measures.neither:g} were cancelled or refused" if measures.neither else ""
    return f"no {measures.counted} ended in the last {window_s:g} s{aside}"


def _told(limit: Limit, written: Callable[[float], str]) -> str:
    said: Sequence[str] = [
        f"{word} {written(bound)}"
        for word, bound in (("degraded", limit.degraded), ("unhealthy", limit.unhealthy))
        if bound is not None
    ]
    return f" [{', '.join(said)}]" if said else ""


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"


def _seconds(value: float) -> str:
    return f"{value:.3g} s"
