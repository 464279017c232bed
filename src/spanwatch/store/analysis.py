"""Themes of stored ratings with what belongs to each: count, share, trend, examples, traces, models, tools and cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanwatch.core.feedback.averages import ENOUGH, normal_p
from spanwatch.core.feedback.trends import SIGNIFICANT
from spanwatch.store.feedback import Rated

EXAMPLES = 3
_EXAMPLE = 240  # characters


@dataclass(frozen=True, slots=True)
class Involved:
    """A model or tool, and in how many of the traces it was used."""

    name: str
    traces: int


@dataclass(frozen=True, slots=True)
class Trend:
    """A theme's share of the comments in the earlier and the later half of the time; p is None without enough data."""

    earlier: float | None = None
    later: float | None = None
    p: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether it is more than chance."""
        return self.p is not None and self.p < SIGNIFICANT

    def __str__(self) -> str:
        if self.p is None or self.earlier is None or self.later is None:
            return "not enough data"
        word = "steady" if not self.is_significant else "growing" if self.later > self.earlier else "shrinking"
        return f"{word} ({self.earlier:.0%} to {self.later:.0%}, p={self.p:.2g})"


@dataclass(frozen=True, slots=True)
class FeedbackTheme:
    """What `count` comments, a `share` of all that were analysed, have in common.

    `feedback_ids` are ids of stored ratings, the most typical first; `examples` are comments as they may be shown.
    `nano_usd` is what the affected traces cost, over those whose cost is known; `unpriced_traces` are the others.
    """

    title: str
    share: float
    trend: Trend
    feedback_ids: tuple[str, ...]
    examples: tuple[str, ...]
    trace_ids: tuple[str, ...]
    models: tuple[Involved, ...]
    tools: tuple[Involved, ...]
    nano_usd: int | None
    unpriced_traces: int

    @property
    def count(self) -> int:
        """How many comments there are."""
        return len(self.feedback_ids)


def described(
    found: Sequence[tuple[str, Sequence[str]]], analysed: Mapping[str, Rated], shown: Mapping[str, str]
) -> list[FeedbackTheme]:
    """Themes, given as (title, ids of ratings), with what is known of their ratings; the largest first."""
    times = sorted(each.rating.at_ns for each in analysed.values())
    middle = times[len(times) // 2] if times else 0
    halves = [sum(at < middle for at in times), sum(at >= middle for at in times)]
    themes = []
    for title, ids in found:
        earlier = sum(analysed[id_].rating.at_ns < middle for id_ in ids)
        trend = _trend((earlier, len(ids) - earlier), halves)
        themes.append(_theme(title, ids, analysed, shown, trend))
    return sorted(themes, key=lambda theme: (-theme.count, theme.title))


def _theme(
    title: str, ids: Sequence[str], analysed: Mapping[str, Rated], shown: Mapping[str, str], trend: Trend
) -> FeedbackTheme:
    rated = [analysed[id_] for id_ in ids]
    traces = {each.rating.trace_id: each for each in rated if each.rating.trace_id is not None}
    costs = [each.nano_usd for each in traces.values() if each.nano_usd is not None]
    return FeedbackTheme(
        title=title,
        share=len(ids) / len(analysed),
        trend=trend,
        feedback_ids=tuple(ids),
        examples=tuple(dict.fromkeys(shown[id_][:_EXAMPLE] for id_ in ids))[:EXAMPLES],
        trace_ids=tuple(traces),
        models=_counted(model for each in traces.values() for model in each.models),
        tools=_counted(tool for each in traces.values() for tool in each.tools),
        nano_usd=sum(costs) if costs else None,
        unpriced_traces=len(traces) - len(costs),
    )


def _trend(counts: tuple[int, int], halves: Sequence[int]) -> Trend:
    """Two shares compared by the z test."""
    if min(halves) < ENOUGH or sum(counts) < ENOUGH:
        return Trend()
    earlier, later = counts[0] / halves[0], counts[1] / halves[1]
    pooled = sum(counts) / sum(halves)
    error = math.sqrt(pooled * (1 - pooled) * (1 / halves[0] + 1 / halves[1]))
    return Trend(earlier, later, 1.0 if error == 0 else normal_p((later - earlier) / error))


def _counted(names: Iterable[str]) -> tuple[Involved, ...]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return tuple(Involved(name, n) for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
