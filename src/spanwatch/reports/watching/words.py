"""The head of a live view as lines: health with its reasons, figures of the window, and how they went."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from spanwatch.core.durations import written
from spanwatch.core.harmless import clean
from spanwatch.core.health import HealthState
from spanwatch.core.rules.alert import State
from spanwatch.core.times import shown
from spanwatch.reports.figures import NONE, cost, counted, number, seconds
from spanwatch.reports.health import STYLES
from spanwatch.reports.screen import Screen
from spanwatch.reports.table import Cell, table
from spanwatch.reports.watching.views import VIEWS, View
from spanwatch.reports.watching.watch import Shown

_MARKS = "▁▂▃▄▅▆▇█"
_SCREEN = Screen()
MOST_ROWS = 20


def banner(snapshot: Shown) -> list[Cell]:
    """The state, then each reason that is not healthy, the worst first."""
    health = snapshot.health
    head = Cell(f" {health.state.value.replace('_', ' ')} ", STYLES.get(health.state, "bold"))
    order = (HealthState.UNHEALTHY, HealthState.DEGRADED)
    bad = [reason for state in order for reason in health.reasons if reason.state is state]
    shown_reasons = bad or health.reasons[:2]
    return [head, *(Cell(clean(reason.text), STYLES.get(reason.state, "")) for reason in shown_reasons)]


def figures(snapshot: Shown) -> list[tuple[str, Cell]]:
    """Names and figures, in the order in which they are read."""
    look, sums = snapshot.look, snapshot.look.sums
    requests = snapshot.work.requests
    judged = sums.calls - sums.cancelled - sums.abandoned
    lost = snapshot.health.measures.lost
    about = "~" if look.duration.count else ""
    rate = f"{(judged - sums.errors) / judged:.1%}" if judged else "unknown"
    done = f"{number(requests.count)}, {number(requests.errors)} failed" if requests.count else NONE
    times = (look.duration.p50, look.duration.p95, look.duration.p99)
    low = snapshot.day_is_lower_bound
    day, projected = (_least(nano, low=low) for nano in (snapshot.day_nano, snapshot.projected_nano))
    return [
        ("alerts", _firing(snapshot)),
        ("requests", Cell(done, "red" if requests.errors else "")),
        ("calls", Cell(f"{number(sums.calls)}, {number(sums.errors)} failed", "red" if sums.errors else "")),
        ("success", Cell(f"{rate} of calls")),
        ("latency", Cell("  ".join(f"p{n} {about}{seconds(t)}" for n, t in zip((50, 95, 99), times, strict=True)))),
        ("tokens", Cell(f"{_known(sums.input_tokens)} in, {_known(sums.output_tokens)} out")),
        ("cost", Cell(_money(snapshot))),
        ("burn", Cell(f"{_least(snapshot.burn_nano, low=sums.is_lower_bound)} an hour")),
        ("today", Cell(f"{day}, projected {projected}")),
        ("lost", Cell("nothing" if not lost else f"{lost:g} items of telemetry", "yellow" if lost else "")),
    ]


def sparks(snapshot: Shown, width: int) -> list[tuple[str, str]]:
    """Calls, errors, p50, p95, p99 and cost along the window, the latest at the right."""
    moments = snapshot.look.moments
    rows: list[tuple[str, list[float | None]]] = [
        ("calls", [each.calls or None for each in moments]),
        ("errors", [each.errors or None for each in moments]),
        ("p50", [each.p50 for each in moments]),
        ("p95", [each.p95 for each in moments]),
        ("p99", [each.p99 for each in moments]),
        ("cost", [None if not each.nano_usd else float(each.nano_usd) for each in moments]),
    ]
    return [(name, spark(_peaks(values, max(width, 1)))) for name, values in rows]


def _peaks(values: Sequence[float | None], most: int) -> list[float | None]:
    """At most so many values: where there are more, the highest of those that share a place."""
    if len(values) <= most:
        return list(values)
    edges = [at * len(values) // most for at in range(most + 1)]
    parts = [[each for each in values[a:b] if each is not None] for a, b in itertools.pairwise(edges)]
    return [max(part, default=None) for part in parts]


def spark(values: Sequence[float | None]) -> str:
    """One mark for each value, the highest the tallest; a space where there is none."""
    highest = max((value for value in values if value), default=0.0)
    if not highest:
        return " " * len(values)
    last = len(_MARKS) - 1
    return "".join(" " if value is None else _MARKS[round(max(value, 0.0) / highest * last)] for value in values)


def plain(snapshot: Shown, screen: Screen, views: Sequence[View] = VIEWS) -> Iterator[str]:
    """Everything as lines that a log or a screen reader can take: no drawing, one fact a line."""
    state, *reasons = banner(snapshot)
    yield f"spanwatch top at {shown(snapshot.at_ns)} UTC, last {written(snapshot.window_s)}"
    yield f"health      {screen.style(state.text.strip(), state.style)}"
    for reason in reasons:
        yield f"            {screen.style(reason.text, reason.style)}"
    names = ", ".join(clean(name) for name in snapshot.processes)
    yield f"processes   {len(snapshot.processes)}{f': {names}' if names else ''}"
    for name, cell in figures(snapshot):
        yield f"{name:<12}{screen.style(cell.text, cell.style)}"
    said = snapshot.said
    if said.labels:
        yield f"{'feedback':<12}{counted(sum(said.labels.values()), 'rating')}, average {said.average}"
    for view in views:
        rows = view.rows(snapshot)
        if rows:
            yield ""
            yield screen.style(view.title, "bold")
            yield from table(view.columns, [row.cells for row in rows[:MOST_ROWS]], screen)
        if len(rows) > MOST_ROWS:
            yield screen.style(f"and {len(rows) - MOST_ROWS:,} more", "dim")


def _firing(snapshot: Shown) -> Cell:
    """How many alerts fire, and the first of them."""
    firing = [each for each in snapshot.alerts if each.state is State.FIRING and not each.silenced_by]
    if not firing:
        return Cell("none fires")
    more = f" and {len(firing) - 1} more" if len(firing) > 1 else ""
    return Cell(f"{clean(firing[0].name)}{more}", "red" if any(e.severity == "critical" for e in firing) else "yellow")


def _known(value: int | None) -> str:
    return "unknown" if value is None else number(value)


def _least(nano: int | None, *, low: bool) -> str:
    return "unknown" if nano is None else cost(nano, _SCREEN, lower_bound=low)


def _money(snapshot: Shown) -> str:
    sums = snapshot.look.sums
    if sums.nano_usd is None:
        return "unknown" if sums.calls else NONE
    guessed = bool(sums.approximate or sums.estimated)
    text = cost(sums.nano_usd, _SCREEN, lower_bound=sums.is_lower_bound, guessed=guessed)
    return f"{text} ({counted(sums.unpriced, 'call')} unknown)" if sums.unpriced else text
