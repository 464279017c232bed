"""How the processes of a store are: the verdict from the samples that they shared, and its text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spanwatch.core.durations import written
from spanwatch.core.harmless import clean
from spanwatch.core.health import HOLD_S, Health, HealthState, Measures, Thresholds, verdict
from spanwatch.core.measured import measured
from spanwatch.core.series import SECOND_NS
from spanwatch.core.windows import Window
from spanwatch.reports.screen import Screen, Style
from spanwatch.store import samples

WINDOW_S = 300.0  # what a report judges by: now, whatever it reports on
STYLES: dict[HealthState, Style] = {
    HealthState.DEGRADED: "yellow",
    HealthState.UNHEALTHY: "red",
    HealthState.NO_DATA: "dim",
}


def health_of(home: Path, window_s: float, thresholds: Thresholds, now_ns: int) -> Health:
    """The verdict of a store at a moment, steadied by that of a minute before.

    Raises:
        StoreError: the store cannot be read.
    """
    earlier_ns = now_ns - int(HOLD_S * SECOND_NS)
    before = verdict(_measured(home, window_s, earlier_ns), at_ns=earlier_ns, window_s=window_s, thresholds=thresholds)
    found = _measured(home, window_s, now_ns)
    return verdict(found, at_ns=now_ns, window_s=window_s, thresholds=thresholds, previous=before)


def health_text(found: Health, screen: Screen) -> Sequence[str]:
    """The state, and a line for each reason."""
    head = screen.style(found.state.value.replace("_", " "), STYLES.get(found.state, "bold"))
    lines = [f"{head} (last {written(found.window_s)})"]
    for reason in found.reasons:
        mark = screen.style(f"{reason.state.value.replace('_', ' '):<10}", STYLES.get(reason.state, ""))
        lines.append(f"  {mark} {clean(reason.text)}")
    return lines


def _measured(home: Path, window_s: float, at_ns: int) -> Measures:
    window = Window(at_ns - int(window_s * SECOND_NS), at_ns)
    return measured(lambda name: samples.read(home, name, window.start_ns, window.end_ns), window)
