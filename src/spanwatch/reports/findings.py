"""Everything that a report to be sent looks at, read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spanwatch.core.feedback.averages import Average, Share, average
from spanwatch.core.feedback.personal import impersonal
from spanwatch.core.feedback.rating import LOW
from spanwatch.core.feedback.themes import themes
from spanwatch.core.health import Health
from spanwatch.core.rules.alert import Alert
from spanwatch.reports.alerts import alerts_of
from spanwatch.store import feedback as stored
from spanwatch.store.analysis import FeedbackTheme, described
from spanwatch.store.feedback import Stretch
from spanwatch.store.notable import dearest, slowest
from spanwatch.store.summary import Axis, Group, Summary, grouped, summary
from spanwatch.store.timeline import Spread, Timeline, spread, timeline
from spanwatch.store.trace import Trace, trace
from spanwatch.store.traces import TraceLine
from spanwatch.store.windows import between
from spanwatch.store.work import Work, work

AXES: tuple[Axis, ...] = ("model", "agent", "user")
TRACES = 5  # of each kind, dearest and slowest
MOST_SPANS = 300  # of a trace that is drawn
_THEMES, _COMMENTS, _COMMENT = 8, 5_000, 240


@dataclass(frozen=True, slots=True)
class Said:
    """What users said: of all ratings, and the themes of low ones with a comment (no addresses, numbers or secrets)."""

    average: Average
    rate: Share
    labels: Mapping[str, int]
    by: Mapping[str, Mapping[str, Average]]
    themes: tuple[FeedbackTheme, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """A window of a store. `at_ns` is when it was read; `trees` are the traces that are small enough to be drawn."""

    at_ns: int
    calls: Summary
    work: Work
    health: Health
    groups: Mapping[Axis, tuple[Group, ...]]
    timelines: Mapping[Axis, Timeline]
    spread: Spread
    dearest: tuple[TraceLine, ...]
    slowest: tuple[TraceLine, ...]
    trees: Mapping[str, Trace]
    said: Said
    alerts: tuple[Alert, ...] = ()


def findings(
    home: Path,
    health: Callable[[], Health],
    *,
    at_ns: int,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> Findings:
    """Read what began in [`since_ns`, `until_ns`). Project first: this reads what is stored.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    calls = summary(home, since_ns=since_ns, until_ns=until_ns)
    groups: dict[Axis, tuple[Group, ...]] = {"model": calls.models}
    for axis in AXES[1:]:
        groups[axis] = grouped(home, axis, since_ns=since_ns, until_ns=until_ns)
    dear = tuple(dearest(home, since_ns=since_ns, until_ns=until_ns, limit=TRACES))
    slow = tuple(slowest(home, since_ns=since_ns, until_ns=until_ns, limit=TRACES))
    return Findings(
        at_ns=at_ns,
        calls=calls,
        work=work(home, since_ns=since_ns, until_ns=until_ns),
        health=health(),
        groups=groups,
        timelines={axis: timeline(home, axis, since_ns=since_ns, until_ns=until_ns) for axis in AXES},
        spread=spread(home, since_ns=since_ns, until_ns=until_ns),
        dearest=dear,
        slowest=slow,
        trees={
            line.trace_id: trace(home, line.trace_id)
            for line in {each.trace_id: each for each in (*dear, *slow)}.values()
            if line.spans + line.sums.calls <= MOST_SPANS
        },
        alerts=tuple(alerts_of(home, at_ns)),
        said=_said(home, Stretch(*between(since_ns, until_ns))),
    )


def _said(home: Path, window: Stretch) -> Said:
    low = stored.rated(home, window, low=LOW, limit=_COMMENTS, said=True)
    texts = {each.rating.id: impersonal(each.rating.comment or "", _COMMENT) for each in low}
    told = themes(list(texts.items()), most=_THEMES).themes if texts else ()
    analysed = {each.rating.id: each for each in low}
    return Said(
        average=average(stored.overall(home, window)),
        rate=stored.response_rate(home, window),
        labels=stored.distribution(home, window),
        by={"agent": stored.averages(home, window, "agent"), "model": stored.averages(home, window, "model")},
        themes=tuple(described([(theme.title, theme.ids) for theme in told], analysed, texts)),
    )
