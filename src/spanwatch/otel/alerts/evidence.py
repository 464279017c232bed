"""Traces that show what an alert is about: asked of the store, or of the calls that this process saw last."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from spanwatch.core import names
from spanwatch.core.call import Call
from spanwatch.core.points import Labels
from spanwatch.core.prometheus import metric_name
from spanwatch.core.promql.nodes import Selector
from spanwatch.otel.alerts.calls import firing_of
from spanwatch.store.evidence import MOST, trace_ids
from spanwatch.store.projection import project

RECENT = 200  # calls that are remembered where there is no store
LOOK_BACK_NS = 900 * 1_000_000_000
_METRICS = {
    metric_name(metric.name, metric.kind, metric.unit) + part: metric.name
    for metric in names.METRICS
    for part in ("", "_bucket", "_sum", "_count")
}


class Evidence:
    """Finds traces; an observer of the pipeline where there is no store."""

    def __init__(self, home: Path | None) -> None:
        self._home, self._caught_up_ns = home, 0
        self._recent: deque[Call] = deque(maxlen=RECENT)

    def __call__(self, call: Call) -> None:
        """Remember a call."""
        if self._home is None and call.trace_id:
            self._recent.append(call)

    def of(self, selectors: Sequence[Selector], labels: Labels, now_ns: int) -> tuple[str, ...]:
        """The traces that say most of what selectors take, narrowed to the labels of an alert."""
        for selector in selectors:
            metric = _METRICS.get(selector.name or "")
            if metric is None:
                continue
            wanted = {each.name: each.value for each in selector.matchers if each.op == "="} | dict(labels)
            found = self._found(metric, wanted, now_ns)
            if found:
                return found
        return ()

    def _found(self, metric: str, wanted: dict[str, str], now_ns: int) -> tuple[str, ...]:
        if self._home is not None:
            if self._caught_up_ns != now_ns:
                self._caught_up_ns = now_ns
                project(self._home)
            return trace_ids(self._home, metric, wanted, now_ns - LOOK_BACK_NS, now_ns)
        known = [call for call in reversed(self._recent) if call.trace_id and _agrees(call, wanted)]
        return tuple(dict.fromkeys(str(call.trace_id) for call in known))[:MOST]


def _agrees(call: Call, wanted: dict[str, str]) -> bool:
    told = dict(firing_of(call).labels)
    return all(wanted.get(key, value) == value for key, value in told.items())
