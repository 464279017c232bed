"""trace() and report(): what the store of this process holds, asked for in code."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.trace import Span, format_trace_id

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.health import thresholds_from
from spanwatch.core.settings import Settings
from spanwatch.otel.environment import settings_from
from spanwatch.otel.live.asking import health
from spanwatch.otel.moments import When, moment
from spanwatch.otel.setup import INSTANCE
from spanwatch.reports.health import WINDOW_S, health_of
from spanwatch.reports.report import Report, report_of
from spanwatch.reports.sections import SECTIONS
from spanwatch.store.catching_up import caught_up
from spanwatch.store.summary import Axis
from spanwatch.store.trace import Trace
from spanwatch.store.trace import trace as stored

_DRAIN_S = 1.0
_MOST = 1 << 128


def trace(id: Span | int | str) -> Trace:  # noqa: A002 (the field's word)
    """The tree of a trace from the store, in time linear in its spans, with everything that has ended so far.

    `id` is any span of it, its id as an integer or in hexadecimal, or a beginning of that which no other trace has. The
    tree is in `lines`, each with its depth; `as_dict()` is what `spanwatch trace ID --json` prints.

    Raises:
        TypeError, ValueError: it is no such id, or more than one trace begins with it.
        StoreError: no trace does, or there is no store.
        ConfigurationError: the store is switched off.
    """
    wanted = _trace_id(id)
    with _home() as home:
        return stored(home, wanted, attributes=True)


def report(*, since: When | None = None, until: When | None = None, by: Axis | None = None) -> Report:
    """What was asked of agents and models, how it went and what it cost, over all processes that share this home.

    `since` and `until` are times (UTC where they have no zone) or ages such as `"1h"`, `90` seconds or a `timedelta`;
    open when None. `by` adds sums by `model`, `user` or `agent`. `str()` of it is for people, `as_dict()` and `json()`
    are for programs; its `health` is that of now.

    Raises:
        TypeError, ValueError: an argument is wrong.
        StoreError: there is no store, or it cannot be read.
        ConfigurationError: the store is switched off.
    """
    if by not in {None, "model", "user", "agent"}:
        raise ValueError(f"by is {by!r}: give 'model', 'user', 'agent' or nothing")
    now = time.time_ns()
    since_ns = None if since is None else moment("since", since, now)
    until_ns = None if until is None else moment("until", until, now)
    with _home() as home:
        limits = thresholds_from(_settings().health or "")
        live = INSTANCE.runtime is not None and INSTANCE.runtime.live is not None
        return report_of(
            home,
            health if live else lambda: health_of(home, WINDOW_S, limits, now),
            SECTIONS,
            since_ns=since_ns,
            until_ns=until_ns,
            by=by,
        )


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    """The directory to read from, with everything that has ended in it."""
    runtime, settings = INSTANCE.runtime, _settings()
    if not settings.store:
        raise ConfigurationError("the setting store is off: there is nothing to read; spanwatch.configure(store=True)")
    if runtime is not None:
        runtime.drain(_DRAIN_S)
    with caught_up(Path(settings.home).absolute()) as home:
        yield home


def _settings() -> Settings:
    runtime = INSTANCE.runtime
    return settings_from({}) if runtime is None else runtime.settings


def _trace_id(given: Span | int | str) -> str:
    if isinstance(given, Span):
        return format_trace_id(given.get_span_context().trace_id)
    if isinstance(given, int) and not isinstance(given, bool):
        if not 0 < given < _MOST:
            raise ValueError(f"{given} is no trace id: those are above 0 and below 2 to the power of 128")
        return format_trace_id(given)
    if not isinstance(given, str):
        raise TypeError(f"trace() takes a span, or a trace id as int or hexadecimal text, not {type(given).__name__}")
    return given
