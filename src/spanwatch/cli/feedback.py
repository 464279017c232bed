"""What users said: averages with their n and 95 % interval, the distribution, trends, and the latest ratings.

Ratings are on the scale from 1 to 5; thumbs are its two ends. Trends compare the time since --since (7d where it is
not given) with as long a time before. With --low only ratings of 2 or less are listed, or of what --low says.

Examples:
  spanwatch feedback
  spanwatch feedback --low --since 1d
  spanwatch feedback --low 3 --json | jq -r '.ratings[].comment'
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.feedback.averages import Average, Share, average
from spanwatch.core.feedback.rating import HIGHEST, LOW, LOWEST, Rating
from spanwatch.core.feedback.trends import Lift
from spanwatch.core.harmless import clean
from spanwatch.core.times import iso, shown
from spanwatch.reports.screen import Screen
from spanwatch.reports.table import Cell, Column, table
from spanwatch.store import feedback as stored
from spanwatch.store.feedback import AXES, Stretch
from spanwatch.store.trends import Trends, trends
from spanwatch.store.windows import between

_WEEK_NS = 7 * 86_400_000_000_000
_SHOWN = 20
_GROUPS = 10
_COLUMNS = (
    Column("given (UTC)"),
    Column("rating", right=True),
    Column("agent", flexible=True),
    Column("model", flexible=True),
    Column("user", flexible=True),
    Column("trace"),
    Column("comment", flexible=True),
)


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the verb tells."""

    average: Average
    rate: Share
    distribution: Mapping[str, int]
    by: Mapping[str, Mapping[str, Average]]
    trends: Trends
    ratings: list[Rating]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch feedback`."""
    rating = reading.number(float, LOWEST, HIGHEST, f"a rating from {LOWEST:g} to {HIGHEST:g}")
    parser.add_argument(
        "--low", metavar="RATING", nargs="?", type=rating, const=LOW, help="list ratings up to this one only (2)"
    )
    reading.add_window(parser)
    reading.add_limit(parser, _SHOWN, f"list the latest N ratings (default: {_SHOWN})")
    parser.add_argument("--json", action="store_true", help="one JSON object; unknown is null")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print what users said."""
    now = time.time_ns()
    window = reading.window_of(args, now)
    asked = Stretch(*between(window.since_ns, window.until_ns))
    with reading.opened(args) as home:
        found = overview(home, asked, now, low=args.low, limit=args.limit)
    write(json.dumps(as_json(found)) if args.json else "\n".join(text(found, screen_of())))
    return 0


def overview(home: Path, window: Stretch, now_ns: int, *, low: float | None, limit: int) -> Overview:
    """What is told of a window.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    end = min(window.until_ns, now_ns)
    recent = Stretch(window.since_ns or max(0, end - _WEEK_NS), end)
    return Overview(
        average(stored.overall(home, window)),
        stored.response_rate(home, window),
        stored.distribution(home, window),
        {axis: stored.averages(home, window, axis) for axis in _AXES},
        trends(home, recent, threshold=LOW if low is None else low),
        stored.ratings(home, window, low=low, limit=limit),
    )


def text(found: Overview, screen: Screen) -> Iterator[str]:
    """The overview as lines."""
    if not found.distribution:
        yield "No feedback here."
        return
    yield f"{screen.style('average', 'bold')}  {found.average}"
    yield f"{screen.style('rated', 'bold')}    {found.rate} of traces"
    given = ", ".join(f"{clean(label)}: {count:,}" for label, count in sorted(found.distribution.items()))
    yield f"{screen.style('given', 'bold')}    {given}"
    yield f"{screen.style('trend', 'bold')}    {_trend(found.trends)}"
    for point in found.trends.points:
        yield f"         changed at {shown(point.at_ns)} UTC from {point.before:.2f} to {point.after:.2f}"
    for lift in found.trends.lifts:
        if lift.is_significant and (lift.lift or 0) > 1:
            yield f"         {_common(lift)}"
    for axis, groups in found.by.items():
        known = [(key, each) for key, each in groups.items() if key][:_GROUPS]
        if known:
            rows = [[Cell(clean(key)), Cell(f"{each.n:,}"), Cell(str(each))] for key, each in known]
            yield ""
            yield from table((Column(axis, flexible=True), Column("n", right=True), Column("average")), rows, screen)
    if found.ratings:
        yield ""
        yield from table(_COLUMNS, [_row(each) for each in found.ratings], screen)


def as_json(found: Overview) -> dict[str, Any]:
    """The overview as JSON."""
    moved = found.trends
    return {
        "average": asdict(found.average),
        "response_rate": asdict(found.rate),
        "distribution": dict(found.distribution),
        "by": {axis: {key: asdict(each) for key, each in groups.items()} for axis, groups in found.by.items()},
        "trends": {
            "since": iso(moved.since_ns),
            "until": iso(moved.until_ns),
            "change": asdict(moved.change),
            "by": {name: {key: asdict(each) for key, each in groups.items()} for name, groups in moved.by.items()},
            "lifts": [asdict(each) for each in moved.lifts],
            "change_points": [
                {"at": iso(each.at_ns), "before": each.before, "after": each.after, "p": each.p}
                for each in moved.points
            ],
        },
        "ratings": [rating_json(each) for each in found.ratings],
    }


def rating_json(rating: Rating) -> dict[str, Any]:
    """A rating as JSON."""
    said = asdict(rating)
    del said["at_ns"]
    return {"id": said.pop("id"), "at": iso(rating.at_ns), "score": rating.score, **said}


def _trend(moved: Trends) -> str:
    change = moved.change
    if change.difference is None or change.low is None or change.high is None or change.p is None:
        return f"{change.now} since {shown(moved.since_ns)} UTC; before: {change.before}"
    sure = "significant" if change.is_significant else "within chance"
    return (
        f"{change.difference:+.2f} ({change.low:+.2f} to {change.high:+.2f}) against the time before, {sure} "
        f"(p={change.p:.2g}); since {shown(moved.since_ns)} UTC"
    )


def _common(lift: Lift) -> str:
    return (
        f"low ratings are {lift.lift:.1f} times ({lift.low:.1f} to {lift.high:.1f}) as likely with "
        f"{lift.dimension} {clean(lift.value)} ({lift.low_ratings:,} of {lift.n:,})"
    )


def _row(rating: Rating) -> list[Cell]:
    value = rating.label if rating.rating is None or rating.kind == "label" else f"{rating.rating:g}"
    return [
        Cell(shown(rating.at_ns)),
        Cell(clean(value), "red" if rating.is_low() else ""),
        *(Cell(clean(each or "-")) for each in (rating.agent, rating.model, rating.user_id, rating.trace_id)),
        Cell(clean(" ".join((rating.comment or "-").split()))),
    ]


_AXES: tuple[stored.Axis, ...] = tuple(AXES)  # type: ignore[arg-type]  # its keys are the axes
