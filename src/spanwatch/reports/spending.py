"""Charts of a report as data: spend along time, durations over buckets."""

from __future__ import annotations

from spanwatch.core.harmless import clean
from spanwatch.core.money import usd_float
from spanwatch.core.times import iso
from spanwatch.reports.figures import NONE, dollars, number, seconds
from spanwatch.reports.parts import Chart, Series
from spanwatch.store.schema import DAY_NS
from spanwatch.store.summary import Axis
from spanwatch.store.timeline import MINUTE_NS, Spread, Timeline

MOST_SERIES = 7  # with a colour each; the others are drawn as one


def spend_chart(axis: Axis, found: Timeline) -> Chart | None:
    """Dollars in each slot by an axis, the dearest keys by name; None where no cost is known."""
    spent: dict[str, dict[int, int]] = {}
    for slot in found.slots:
        if slot.sums.nano_usd:
            at = (slot.at_ns - found.start_ns) // found.step_ns
            row = spent.setdefault(slot.key, {})
            row[at] = row.get(at, 0) + slot.sums.nano_usd
    if not spent:
        return None
    ordered = sorted(spent.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    series = [_series(clean(key) or "unknown", row, found.count) for key, row in ordered[:MOST_SERIES]]
    rest: dict[int, int] = {}
    for _, row in ordered[MOST_SERIES:]:
        for at, nano in row.items():
            rest[at] = rest.get(at, 0) + nano
    if rest:
        series.append(_series(f"{len(ordered) - MOST_SERIES} others", rest, found.count))
    labels = tuple(_label(found.start_ns + at * found.step_ns, found.step_ns) for at in range(found.count))
    return Chart(f"Spend over time by {axis}", labels, tuple(series), "USD")


def latency_chart(found: Spread) -> Chart | None:
    """Calls by duration; None where there are none."""
    if not any(found.counts):
        return None
    bounds = [f"≤ {seconds(bound)}" for bound in found.bounds_s] + [f"> {seconds(found.bounds_s[-1])}"]
    values = tuple(float(count) if count else None for count in found.counts)
    series = Series("calls", values, tuple(map(number, found.counts)))
    return Chart("Model calls by duration", tuple(bounds), (series,), "calls")


def _series(name: str, row: dict[int, int], count: int) -> Series:
    nano = [row.get(at) for at in range(count)]
    values = tuple(None if each is None else usd_float(each) for each in nano)
    return Series(name, values, tuple(NONE if each is None else dollars(each) for each in nano))


def _label(at_ns: int, step_ns: int) -> str:
    text = iso(at_ns)
    if step_ns < MINUTE_NS:
        return text[11:19]
    return text[:10] if step_ns >= DAY_NS else f"{text[5:10]} {text[11:16]}"
