"""What health judges by, from the samples of a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spanwatch.core import names
from spanwatch.core.call import CallStatus
from spanwatch.core.health import Measures, by_frequency
from spanwatch.core.series import Series
from spanwatch.core.windows import Window, increase, observed, select, stats

OK, ERROR = "ok", "error"
_JUDGED = (OK, ERROR)
Find = Callable[[str], Sequence[Series]]


def measured(find: Find, window: Window) -> Measures:
    """Requests where there are any, else model calls; `find` gives the series of an instrument's name."""
    requests = list(find(names.REQUEST_DURATION.name))
    ended = {outcome: _ended(requests, outcome, window) for outcome in _outcomes(requests)}
    calls = list(find(names.CALLS.name))
    about = _about_calls(find, calls, window)
    if any(ended.values()):
        return _of_requests(requests, ended, about, window)
    return _of_calls(find, calls, about, window)


def _of_requests(requests: Sequence[Series], ended: dict[str, float], about: Measures, window: Window) -> Measures:
    judged = [each for outcome in _JUDGED for each in select(requests, {names.OUTCOME: outcome})]
    return replace(
        _timed(about, names.REQUEST_DURATION.name, judged, window),
        counted="requests",
        succeeded=ended.get(OK, 0.0),
        failed=ended.get(ERROR, 0.0),
        neither=sum(count for outcome, count in ended.items() if outcome not in _JUDGED),
        errors=by_frequency(_kinds(select(requests, {names.OUTCOME: ERROR}), window)),
    )


def _of_calls(find: Find, calls: Sequence[Series], about: Measures, window: Window) -> Measures:
    counts = {status: _sum(select(calls, {names.CALL_STATUS: status.value}), window) for status in CallStatus}
    inference = list(find(names.INFERENCE_DURATION.name))
    return replace(
        _timed(about, names.INFERENCE_DURATION.name, inference, window),
        counted="model calls",
        succeeded=counts[CallStatus.OK],
        failed=counts[CallStatus.ERROR],
        neither=sum(count or 0 for status, count in counts.items() if status.value not in _JUDGED),
        errors=by_frequency(_kinds([*inference, *find(names.OPERATION_DURATION.name)], window)),
    )


def _timed(about: Measures, name: str, series: Sequence[Series], window: Window) -> Measures:
    times = next(iter(stats(name, series, window)), None)
    if times is None:
        return about
    return replace(about, mean_s=times.mean, p95_s=times.p95, p95_bounds=times.p95_bounds)


def _about_calls(find: Find, calls: Sequence[Series], window: Window) -> Measures:
    made = [each for each in calls if dict(each.identity.labels).get(names.CALL_STATUS) != CallStatus.REFUSED.value]
    return Measures(
        calls=_sum(made, window),
        unpriced=_sum(find(names.UNPRICED_CALLS.name), window),
        lost=_sum(find(names.TELEMETRY_DROPPED.name), window),
    )


def _outcomes(requests: Sequence[Series]) -> set[str]:
    return {label for each in requests for key, label in each.identity.labels if key == names.OUTCOME}


def _ended(requests: Sequence[Series], outcome: str, window: Window) -> float:
    found = (observed(each, window) for each in select(requests, {names.OUTCOME: outcome}))
    return sum(each.count for each in found if each is not None)


def _sum(series: Sequence[Series], window: Window) -> float | None:
    found = [amount for each in series if (amount := increase(each, window)) is not None]
    return sum(found) if found else None


def _kinds(series: Sequence[Series], window: Window) -> dict[str, float]:
    kinds: dict[str, float] = {}
    for each in series:
        kind = dict(each.identity.labels).get(names.ERROR_TYPE)
        seen = None if kind is None else observed(each, window)
        if kind is not None and seen is not None:
            kinds[kind] = kinds.get(kind, 0.0) + seen.count
    return kinds
