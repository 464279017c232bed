"""FeedbackCollector: what users have said so far, with n and interval, or "not enough data"."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

from spanwatch.core.durations import Duration, seconds
from spanwatch.core.feedback.averages import Average, Share, average
from spanwatch.core.feedback.rating import LOW, Rating
from spanwatch.otel.environment import settings_from
from spanwatch.otel.feedback.giving import Feedback, feedback
from spanwatch.otel.feedback.targets import Rated
from spanwatch.otel.moments import When, moment
from spanwatch.otel.setup import INSTANCE
from spanwatch.store import feedback as stored
from spanwatch.store.catching_up import caught_up
from spanwatch.store.feedback import AXES, Axis, Stretch
from spanwatch.store.trends import Trends
from spanwatch.store.trends import trends as found_trends
from spanwatch.store.windows import between


class FeedbackCollector:
    """Takes feedback and answers questions about it; holds no state, so make one wherever one is needed.

    Times are an age such as `7d`, or a time as `datetime` or text (UTC where it names no zone). Ratings are on the
    scale from 1 to 5. Questions read the store and raise `StoreError` where there is none, and `ValueError` for a time
    that is none.

    Args:
        home: Directory of the store; by default the configured one.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        self._home = home

    def collect(self, target: Rated, **said: Any) -> Feedback:
        """See `spanwatch.feedback`."""
        return feedback(target, **said)

    @overload
    def average(self, by: None = None, *, since: When | None = None, until: When | None = None) -> Average: ...
    @overload
    def average(self, by: Axis, *, since: When | None = None, until: When | None = None) -> dict[str, Average]: ...
    def average(
        self, by: Axis | None = None, *, since: When | None = None, until: When | None = None
    ) -> Average | dict[str, Average]:
        """The average rating, or that of each user, agent, model, version or prompt ('' where it is not known)."""
        if by is not None and by not in AXES:
            raise ValueError(f"an average is by {', '.join(AXES)}, not by {by!r}")
        with self._read() as home:
            window = window_of(since, until)
            return average(stored.overall(home, window)) if by is None else stored.averages(home, window, by)

    def distribution(self, *, since: When | None = None, until: When | None = None) -> dict[str, int]:
        """How often each label was given: `1` to `5` for ratings and scores, else the word."""
        with self._read() as home:
            return stored.distribution(home, window_of(since, until))

    def recent(self, limit: int = 20, *, since: When | None = None) -> list[Rating]:
        """The latest ratings, the last one first."""
        with self._read() as home:
            return stored.ratings(home, window_of(since, None), limit=limit)

    def low(
        self, threshold: float = LOW, *, limit: int | None = None, since: When | None = None, until: When | None = None
    ) -> list[Rating]:
        """Ratings at or below a threshold, the last one first."""
        with self._read() as home:
            return stored.ratings(home, window_of(since, until), low=threshold, limit=limit)

    def response_rate(self, *, since: When | None = None, until: When | None = None) -> Share:
        """Which share of the traces that began then has been rated."""
        with self._read() as home:
            return stored.response_rate(home, window_of(since, until))

    def trends(self, window: Duration = "7d", *, threshold: float = LOW, until: When | None = None) -> Trends:
        """How ratings have moved against the window before, what low ones have in common, and change points."""
        with self._read() as home:
            now = time.time_ns()
            end = now if until is None else moment("until", until, now)
            return found_trends(home, Stretch(end - int(seconds(window) * 1e9), end), threshold=threshold)

    @contextmanager
    def _read(self) -> Iterator[Path]:
        with caught_up(home_of(self._home)) as home:
            yield home


def home_of(home: str | os.PathLike[str] | None) -> Path:
    """The store that is meant: the one given, the configured one, else that of environment and `spanwatch.toml`."""
    if home is not None:
        return Path(home)
    runtime = INSTANCE.runtime
    arguments: Mapping[str, Any] = {}
    return Path((settings_from(arguments) if runtime is None else runtime.settings).home).absolute()


def window_of(since: When | None, until: When | None) -> Stretch:
    """A window, open where nothing is said.

    Raises:
        ValueError: one of them is no time.
    """
    now = time.time_ns()
    begin = None if since is None else moment("since", since, now)
    return Stretch(*between(begin, None if until is None else moment("until", until, now)))
