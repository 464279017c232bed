"""Corrections that spanwatch ships over genai-prices' data, each with the page that shows it.

Only facts that a provider publishes: what the data leaves out, has stale, or cannot say (a date and a time of day
together, weekdays). Dollars are per million tokens unless the key says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from spanwatch.core.prices.overlay import Entry, Overlay, overlay
from spanwatch.core.prices.rates import Rate
from spanwatch.core.prices.units import BY_PRICE_KEY

AS_OF = "2026-11-24"

_OPENAI = "https://developers.openai.com/api/docs/pricing"
_OPENAI_BATCH = "https://developers.openai.com/api/docs/guides/batch"
_ANTHROPIC = "https://platform.claude.com/docs/en/about-claude/pricing"
_DEEPSEEK = "https://api-docs.deepseek.com/quick_start/pricing"
_DEEPSEEK_NEWS = "https://api-docs.deepseek.com/updates"
_GROQ = "https://console.groq.com/docs/speech-to-text"
_MISTRAL = "https://docs.mistral.ai/getting-started/models"


def _day(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _entry(provider: str, model: str, link: str, /, **more: Any) -> Entry:
    """An entry; keyword arguments that are price keys are its rates, the others its fields."""
    rates = {BY_PRICE_KEY[key].name: _rate(more.pop(key)) for key in list(more) if key in BY_PRICE_KEY}
    for key in ("valid_from", "valid_to"):
        if key in more:
            more[key] = _day(more[key])
    return Entry(model=model, provider=provider, link=link, rates=rates, **more)


def _prefix(provider: str, model: str, link: str, /, **more: Any) -> Entry:
    return _entry(provider, model, link, match="prefix", **more)


def _rate(price: str | tuple[str, int, str]) -> Rate:
    if isinstance(price, str):
        return Rate(Fraction(price))
    base, above, dearer = price
    return Rate(Fraction(base), ((above, Fraction(dearer)),))


def _openai() -> Iterator[Entry]:
    for first, last, given, made in ((None, "2024-12-17", "100", "200"), ("2024-12-17", None, "40", "80")):
        span = {"valid_from": first} if first else {"valid_to": last}
        audio = {"input_audio_mtok": given, "output_audio_mtok": made}
        yield _prefix("openai", "gpt-4o-audio-preview", _OPENAI, merge=True, **audio, **span)
    mini = {"input_audio_mtok": "10", "output_audio_mtok": "20"}
    yield _prefix("openai", "gpt-4o-mini-audio-preview", _OPENAI, merge=True, **mini)
    # Cached input of the launch price; the data has today's.
    for name in ("o3", "o3-2025-04-16"):
        yield _entry("openai", name, _OPENAI, merge=True, cache_read_mtok="2.5", valid_to="2025-06-10")
    # The alias moved to gpt-4o-2024-08-06 on this day.
    yield _entry("openai", "gpt-4o", _OPENAI, input_mtok="5", output_mtok="15", valid_to="2024-10-02")
    for base, (given, cached, made) in _FINE_TUNED.items():
        rates = {"input_mtok": given, "cache_read_mtok": cached, "output_mtok": made}
        yield _prefix("openai", f"ft:{base}", _OPENAI, **rates)
    for base, price in (("davinci-002", "12"), ("babbage-002", "1.6")):
        yield _prefix("openai", f"ft:{base}", _OPENAI, input_mtok=price, output_mtok=price)
    for name in ("omni-moderation", "text-moderation"):
        yield _prefix("openai", name, "https://developers.openai.com/api/docs/guides/moderation", free=True)


# Fine-tuned models cost more than their base: input, cached input, output.
_FINE_TUNED = {
    "gpt-4o-mini-2024": ("0.3", "0.15", "1.2"),
    "gpt-4o-2024": ("3.75", "1.875", "15"),
    "gpt-4.1-2025": ("3", "0.75", "12"),
    "gpt-4.1-mini-2025": ("0.8", "0.2", "3.2"),
    "gpt-4.1-nano-2025": ("0.2", "0.05", "0.8"),
    "o4-mini-2025": ("4", "1", "16"),
}


def _anthropic() -> Iterator[Entry]:
    # Long context (beta) of Sonnet 4, as of Sonnet 4.5: the data only has the latter's.
    tiers = {
        "input_mtok": ("3", 200_000, "6"),
        "output_mtok": ("15", 200_000, "22.5"),
        "cache_read_mtok": ("0.3", 200_000, "0.6"),
        "cache_write_mtok": ("3.75", 200_000, "7.5"),
        "cache_write_1h_mtok": ("6", 200_000, "12"),
    }
    for name in ("claude-sonnet-4-20250514", "claude-sonnet-4-0", "claude-sonnet-4", "claude-4-sonnet"):
        yield _entry("anthropic", name, _ANTHROPIC, merge=True, valid_from="2025-08-12", **tiers)


_CHINESE_HOLIDAYS = frozenset(
    date.fromisoformat(first) + timedelta(days=day)
    for first, days in (("2026-09-25", 3), ("2026-10-01", 7))
    for day in range(days)
)
_PEAK = ((time(1), time(4)), (time(6), time(10)))  # UTC


def _mtok(given: str, cached: str, made: str) -> dict[str, str]:
    return {"input_mtok": given, "cache_read_mtok": cached, "output_mtok": made}


_PRO_FLAT, _PRO_QUIET = _mtok("0.435", "0.003625", "0.87"), _mtok("0.66", "0.022", "1.98")
_V4_FLAT, _V4_QUIET, _V4_PEAK = (
    _mtok("0.14", "0.0028", "0.28"),
    _mtok("0.22", "0.007", "0.66"),
    _mtok("0.44", "0.014", "1.32"),
)
_FLASH_QUIET = _mtok("0.15", "0.003", "0.6")
# Peak and off-peak begin at 16:00 UTC on 2026-08-16; Beijing's weekends are off-peak from 2026-08-23 on, holidays too.
_BY_HOUR, _BY_DAY, _FLASH_4_1 = "2026-08-16T16:00:00+00:00", "2026-08-22T16:00:00+00:00", "2026-09-10"


def _deepseek() -> Iterator[Entry]:
    weekend: dict[str, Any] = {"weekdays": frozenset({5, 6}), "utc_offset": 8}
    holiday: dict[str, Any] = {"days": _CHINESE_HOLIDAYS, "utc_offset": 8, "valid_from": _FLASH_4_1}
    first: dict[str, Any] = {"valid_from": _BY_HOUR, "valid_to": "2026-08-17"}  # the data begins 8 hours late
    pro, flash = ("deepseek", "deepseek-v4-pro", _DEEPSEEK), ("deepseek", "deepseek-v4-flash", _DEEPSEEK)
    yield _prefix(*pro, **_PRO_FLAT, valid_to=_BY_HOUR)
    yield _prefix(*pro, **_PRO_QUIET, **first)
    yield _prefix(*pro, **_PRO_QUIET, **weekend, valid_from=_BY_DAY)
    yield _prefix(*pro, **_PRO_QUIET, **holiday)
    yield _prefix(*flash, **_V4_FLAT, valid_to=_BY_HOUR)
    yield _prefix(*flash, **_V4_QUIET, **first)
    yield _prefix(*flash, **_V4_QUIET, **weekend, valid_from=_BY_DAY, valid_to=_FLASH_4_1)
    yield _prefix(*flash, **_V4_PEAK, hours=_PEAK, valid_from="2026-08-17", valid_to=_FLASH_4_1)
    for name in ("deepseek-v4-flash", "deepseek-flash"):
        yield _prefix("deepseek", name, _DEEPSEEK, **_FLASH_QUIET, **weekend, valid_from=_FLASH_4_1)
        yield _prefix("deepseek", name, _DEEPSEEK, **_FLASH_QUIET, **holiday)
    # One flat price after off-peak ended, then V3.2, then V4 Flash under the old names.
    flat = (
        ("2025-09-05T16:00:00+00:00", "2025-09-29", _mtok("0.56", "0.07", "1.68")),
        ("2025-09-29", "2026-04-24", _mtok("0.28", "0.028", "0.42")),
        ("2026-04-24", _BY_HOUR, _V4_FLAT),
    )
    for name in ("deepseek-chat", "deepseek-reasoner"):
        for since, until, rates in flat:
            yield _entry("deepseek", name, _DEEPSEEK_NEWS, valid_from=since, valid_to=until, **rates)


def _others() -> Iterator[Entry]:
    # The alias moved from Large 2 to Large 3 (mistral-large-2512).
    large = _mtok("0.5", "0.05", "1.5")
    yield _entry("mistral", "mistral-large-latest", _MISTRAL, valid_from="2025-12-02", **large)
    for name in ("whisper-large-v3", "whisper-large-v3-turbo"):  # every request is billed for 10 seconds at least
        least = (("audio_seconds", 10), ("input_audio_seconds", 10))
        yield _entry("groq", name, _GROQ, merge=True, minimum=least)


def shipped() -> Overlay:
    """The corrections as an overlay."""
    entries = (*_openai(), *_anthropic(), *_deepseek(), *_others())
    return overlay(entries, source="spanwatch", version=f"spanwatch {AS_OF}")


@dataclass(frozen=True, slots=True)
class Surcharge:
    """A factor on tokens that a provider publishes for a context item, where the data has no variant for it.

    `value` None means any value of `key`. `models` and `except_models` are prefixes; an excepted model pays the
    standard price. `output` and `cached` say whether those tokens are scaled too.
    """

    provider: str
    key: str
    value: str | None
    factor: Fraction
    link: str
    models: tuple[str, ...] = ("",)
    except_models: tuple[str, ...] = ()
    certain: bool = True


_HALF, _ONE, _TENTH_MORE = Fraction(1, 2), Fraction(1), Fraction(11, 10)
# Claude before Opus 4.6 and Sonnet 4.6 costs the same wherever it runs.
_CLAUDE_BEFORE_GEO = (
    "claude-2", "claude-3", "claude-v", "claude-instant", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-5",
    "claude-sonnet-4-0", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-4-",
)  # fmt: skip
_OPENAI_RESIDENT = ("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-6")  # released on or after 2026-03-05
_VERTEX = "https://cloud.google.com/vertex-ai/generative-ai/pricing"
_VERTEX_REGIONAL = (
    "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5", "claude-opus-4-6", "claude-opus-4-7",
    "claude-opus-4-8", "claude-sonnet-4-6", "claude-opus-5", "claude-sonnet-5", "claude-haiku-5", "claude-fable",
)  # fmt: skip
_VERTEX_FLAT = ("claude-3", "claude-4-", "claude-opus-4", "claude-sonnet-4", "gemini-1", "gemini-2")

SURCHARGES: tuple[Surcharge, ...] = (
    Surcharge("openai", "processing", "batch", _HALF, _OPENAI, models=("ft:gpt-4o-2024",), certain=False),
    Surcharge("openai", "processing", "batch", _HALF, _OPENAI_BATCH, except_models=("gpt-3.5-turbo-1106",)),
    Surcharge("azure", "processing", "batch", _HALF, "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch"),
    Surcharge("anthropic", "processing", "batch", _HALF, _ANTHROPIC),
    Surcharge("google", "processing", "batch", _HALF, "https://ai.google.dev/gemini-api/docs/batch-api", certain=False),
    Surcharge("mistral", "processing", "batch", _HALF, "https://docs.mistral.ai/capabilities/batch/"),
    Surcharge("groq", "processing", "batch", _HALF, "https://console.groq.com/docs/batch"),
    Surcharge("groq", "service_tier", "flex", _ONE, "https://console.groq.com/docs/flex-processing"),
    Surcharge("anthropic", "geo", "us", _TENTH_MORE, _ANTHROPIC, except_models=_CLAUDE_BEFORE_GEO),
    Surcharge("openai", "geo", None, _TENTH_MORE, _OPENAI, models=_OPENAI_RESIDENT),
    Surcharge("openai", "geo", None, _ONE, _OPENAI, except_models=_OPENAI_RESIDENT),
    Surcharge("google", "geo", None, _TENTH_MORE, _VERTEX, models=_VERTEX_REGIONAL),
    Surcharge("google", "geo", None, _ONE, _VERTEX, models=_VERTEX_FLAT),
)  # fmt: skip
