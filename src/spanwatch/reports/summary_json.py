"""A summary of model calls as JSON values: times in ISO 8601, durations in seconds, money as text, unknown null."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from spanwatch.core.money import usd_text
from spanwatch.core.times import iso
from spanwatch.store.summary import Group, Summary, Sums


def summary_json(found: Summary) -> dict[str, Any]:
    """A summary as JSON: times in ISO 8601, money as decimal text, durations in seconds."""
    return {
        "since": None if found.since_ns is None else iso(found.since_ns),
        "until": None if found.until_ns is None else iso(found.until_ns),
        **_sums(found.sums),
        "duration_s": asdict(found.duration),
        "time_to_first_chunk_s": asdict(found.first_chunk),
        "models": [_group("model", group) for group in found.models],
        "unpriced": [{**asdict(each), "model": each.model or None} for each in found.unpriced],
        "by": found.by,
        "groups": [_group(str(found.by), group) for group in found.groups],
        "losses": [{"reason": reason, "count": count} for reason, count in found.losses],
    }


def _group(axis: str, group: Group) -> dict[str, Any]:
    return {axis: group.key or None, **_sums(group.sums)}


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "errors": sums.errors,
        "cancelled": sums.cancelled,
        "abandoned": sums.abandoned,
        "refused": sums.refused,
        "tokens": {
            "input_tokens": sums.input_tokens,
            "cache_read_tokens": sums.cache_read_tokens,
            "output_tokens": sums.output_tokens,
            "reasoning_tokens": sums.reasoning_tokens,
        },
        "calls_without_usage": sums.without_usage,
        "cost_usd": None if sums.nano_usd is None else usd_text(sums.nano_usd),
        "cost_is_lower_bound": sums.is_lower_bound,
        "unpriced_calls": sums.unpriced,
        "partial_calls": sums.partial,
        "approximate_calls": sums.approximate,
        "estimated_calls": sums.estimated,
        "charged_estimate_usd": None if sums.charged_nano_usd is None else usd_text(sums.charged_nano_usd),
    }
