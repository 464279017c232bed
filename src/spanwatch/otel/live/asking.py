"""stats() and health(): the questions an application asks of its own metrics."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Sequence
from typing import overload

from spanwatch.core import names
from spanwatch.core.durations import Duration, seconds, written
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.health import Health, HealthState, Limit, Measures, Reason, Thresholds, thresholds_from
from spanwatch.core.series import KEEP_NS, SECOND_NS
from spanwatch.core.windows import Stats, Window, select
from spanwatch.core.windows import stats as computed
from spanwatch.otel.live.live import Live
from spanwatch.otel.setup import INSTANCE

_LONGEST_S = KEEP_NS / SECOND_NS


@overload
def stats(name: str, /, window: Duration = "5m", by: None = None, **labels: str) -> Stats: ...
@overload
def stats(name: str, /, window: Duration = "5m", *, by: str | Sequence[str], **labels: str) -> tuple[Stats, ...]: ...
def stats(
    name: str, /, window: Duration = "5m", by: str | Sequence[str] | None = None, **labels: str
) -> Stats | tuple[Stats, ...]:
    """What an instrument did in the last `window`, summed over all processes that share this home.

    `name` is the name of any OTel instrument, spanwatch's or the application's own. `labels` choose series by the
    values of their attributes, whose names may be written with underscores (`gen_ai_request_model="gpt-4o"`). With
    `by`, one attribute's name or several, there is one result for each value that occurs ('' for none); without, one
    for all.
    `service.name` and `process.pid` are attributes of every series.

    Raises:
        ValueError: no such instrument has recorded anything; or `window` is no length of time, or longer than 3 days.
        ConfigurationError: spanwatch is not configured, or the setting `live_interval` is 0.
    """
    length_s = window_seconds(window)
    live = _live()
    if live is None:
        return Stats(name, window_s=length_s) if by is None else ()
    live.refresh()
    now = time.time_ns()
    asked = Window(now - int(length_s * SECOND_NS), now)
    series = live.find(name, asked)
    if not series:
        _refuse_unknown(name, live)
    axes = () if by is None else (by,) if isinstance(by, str) else tuple(by)
    found = computed(name, select(series, labels), asked, axes)
    if by is not None:
        return tuple(found)
    return found[0] if found else Stats(name, window_s=length_s)


def health(window: Duration = "5m", thresholds: Thresholds | str | None = None) -> Health:
    """How the processes that share this home are: `healthy`, `degraded`, `unhealthy` or `no_data`, and why.

    Requests are counted where there are any, else model calls. `thresholds` are written as in the setting `health`,
    whose limits hold when none are given. Where spanwatch is not configured or switched off, there is no data.

    Raises:
        ValueError: `window` is no length of time, or longer than 3 days; or `thresholds` cannot be read.
    """
    length_s = window_seconds(window)
    limits = thresholds_from(thresholds) if isinstance(thresholds, str) else thresholds
    runtime = INSTANCE.runtime
    if runtime is None or runtime.live is None:
        why = "spanwatch is not configured, or off" if runtime is None else "the setting live_interval is 0"
        reason = Reason("traffic", HealthState.NO_DATA, None, Limit(), why)
        now = time.time_ns()
        return Health(HealthState.NO_DATA, (reason,), now, now, length_s, Measures())
    return runtime.live.health(length_s, limits or thresholds_from(runtime.settings.health or ""))


def window_seconds(window: Duration) -> float:
    """The length of a window.

    Raises:
        ValueError: it is none, or longer than samples are kept.
    """
    length_s = seconds(window)
    if length_s > _LONGEST_S:
        raise ValueError(f"window {written(length_s)} is longer than samples are kept: {written(_LONGEST_S)} at most")
    return length_s


def _live() -> Live | None:
    runtime = INSTANCE.runtime
    if runtime is None:
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return None
        raise ConfigurationError("spanwatch is not configured: call spanwatch.configure() first")
    if runtime.live is None:
        raise ConfigurationError(
            "no samples are kept because the setting live_interval is 0: give it seconds from 1 on"
        )
    return runtime.live


def _refuse_unknown(name: str, live: Live) -> None:
    known = live.instruments() | {metric.name for metric in names.METRICS}
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(
        f"no instrument {name!r} has recorded anything; {hint}Instruments known: {', '.join(sorted(known))}"
    )
