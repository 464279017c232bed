"""The usage part of an answer, whatever OpenAI-compatible server wrote it, as `Usage`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

from spanwatch.core.call import Usage
from spanwatch.core.money import to_nano
from spanwatch.otel.openai.reading import count, get, values

WEB_SEARCHES = "web_searches"


def usage_of(raw: Any, web_searches: int = 0) -> Usage | None:
    """The counts that the answer states, or None when it states none; a missing count is None, never 0.

    Audio, image and text subsets of 0 are left out: every chat answer carries them.
    """
    fields = values(raw)
    total_in = _first(fields, "prompt_tokens", "input_tokens")
    total_out = _first(fields, "completion_tokens", "output_tokens")
    inputs = _either(fields, "prompt_tokens_details", "input_tokens_details")
    outputs = _either(fields, "completion_tokens_details", "output_tokens_details")
    reasoning = count(outputs.get("reasoning_tokens"))
    cached = values(get(inputs, "cached_tokens_details"))
    usage = Usage(
        input_tokens=total_in,
        output_tokens=_with_reasoning(fields, total_in, total_out, reasoning),
        cache_read_tokens=_cache_read(raw, inputs),
        cache_write_tokens=_cache_write(raw, inputs),
        reasoning_tokens=reasoning,
        input_text_tokens=_some(inputs, "text_tokens"),
        output_text_tokens=_some(outputs, "text_tokens"),
        input_audio_tokens=_some(inputs, "audio_tokens"),
        output_audio_tokens=_some(outputs, "audio_tokens"),
        cache_audio_read_tokens=_some(cached, "audio_tokens"),
        input_image_tokens=_some(inputs, "image_tokens"),
        output_image_tokens=_some(outputs, "image_tokens"),
        cache_image_read_tokens=_some(cached, "image_tokens"),
        other=((WEB_SEARCHES, web_searches),) if web_searches else (),
    )
    return usage or None


def stated_cost(raw: Any) -> int | None:
    """What a gateway says the call cost, in nano-USD, or None.

    With a key of the user's own (OpenRouter's `is_byok`) the gateway states its fee and, beside it, the provider's
    price: the sum is meant.
    """
    stated = get(raw, "cost")
    amount = _dollars(get(stated, "total_cost") if isinstance(stated, Mapping) else stated)
    if amount is not None and get(raw, "is_byok") is True:
        upstream = _dollars(get(get(raw, "cost_details"), "upstream_inference_cost"))
        amount = None if upstream is None else amount + upstream
    return None if amount is None else to_nano(amount)


def _dollars(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return Decimal(str(value)) if isfinite(value) and value >= 0 else None


def _with_reasoning(
    fields: Mapping[str, Any], total_in: int | None, total_out: int | None, reasoning: int | None
) -> int | None:
    """Output tokens with reasoning inside: some servers (xAI) count it beside them, which only the total tells."""
    if not reasoning or total_in is None or total_out is None:
        return total_out
    beside = count(fields.get("total_tokens")) == total_in + total_out + reasoning
    return total_out + reasoning if beside else total_out


def _cache_read(raw: Any, inputs: Mapping[str, Any]) -> int | None:
    known = count(inputs.get("cached_tokens"))
    if known is not None:
        return known
    # DeepSeek, Moonshot and servers in front of Anthropic's models state it beside the total.
    return _extra(raw, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")


def _cache_write(raw: Any, inputs: Mapping[str, Any]) -> int | None:
    known = count(get(inputs, "cache_write_tokens"))
    return _extra(raw, "cache_creation_input_tokens") if known is None else known


def _extra(raw: Any, *names: str) -> int | None:
    return next((known for name in names if (known := count(get(raw, name))) is not None), None)


def _first(fields: Mapping[str, Any], *names: str) -> int | None:
    return next((known for name in names if (known := count(fields.get(name))) is not None), None)


def _either(fields: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The details under the first name that has any, undeclared ones included."""
    for name in names:
        details = fields.get(name)
        if details is not None:
            extra = getattr(details, "__pydantic_extra__", None)
            return {**values(details), **extra} if extra else values(details)
    return {}


def _some(details: Mapping[str, Any], name: str) -> int | None:
    return count(details.get(name)) or None
