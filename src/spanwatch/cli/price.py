"""Explain the price of one call, line by line.

A count includes its parts, as in the GenAI conventions: --input includes cached, written, audio and image tokens,
--output includes reasoning. What is not given is 0. No call is made, and nothing is fetched.

Examples:
  spanwatch price --provider openai --model gpt-4o-mini --input 1240 --cached 1024 --output 86
  spanwatch price --provider anthropic --model claude-sonnet-4-5 --input 9000 --cache-write-1h 8000 --output 500
  spanwatch price --provider openai --model o3 --input 1000 --output 5000 --context service_tier=flex
  spanwatch price --provider openai --model gpt-4o --input 1000 --output 100 --unit web_searches=2 --at 2026-08-01
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

from spanwatch.cli import reading
from spanwatch.cli.price_text import Question, amount_of, price_text
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.call import Cost, Usage
from spanwatch.core.errors import UsageError
from spanwatch.core.money import usd_text
from spanwatch.core.prices import PriceBook, Terms, terms_of, usage_of
from spanwatch.core.times import iso, moment
from spanwatch.otel.environment import settings_from
from spanwatch.otel.price_file import price_book

_COUNTS = {
    "input": ("input_tokens", "input tokens, those below included"),
    "cached": ("cache_read_tokens", "input tokens read from a cache"),
    "cache-write": ("cache_write_tokens", "input tokens written to a cache"),
    "cache-write-1h": ("cache_write_1h_tokens", "of them, kept for an hour"),
    "input-audio": ("input_audio_tokens", "input tokens of audio"),
    "input-image": ("input_image_tokens", "input tokens of images"),
    "output": ("output_tokens", "output tokens, those below included"),
    "reasoning": ("reasoning_tokens", "output tokens of reasoning"),
    "output-audio": ("output_audio_tokens", "output tokens of audio"),
    "output-image": ("output_image_tokens", "output tokens of images"),
}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch price`."""
    parser.add_argument("--provider", metavar="P", help="openai, azure.ai.openai, aws.bedrock, openrouter, ...")
    parser.add_argument("--model", metavar="M", required=True, help="the name that answered, as it came")
    counts = reading.number(_grouped, 0, math.inf, "a whole number from 0")
    for option, (unit, text) in _COUNTS.items():
        parser.add_argument(f"--{option}", metavar="N", type=counts, dest=unit, help=text)
    parser.add_argument("--unit", metavar="NAME=N", action="append", default=[], help="any other unit: web_searches=2")
    parser.add_argument("--at", metavar="WHEN", help="when the call began: an age such as 2d, or a time (UTC)")
    parser.add_argument(
        "--context",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="what else moves the price: service_tier=flex, processing=batch, geo=eu, discount=0.85, duration_s=3",
    )
    parser.add_argument("--prices", metavar="FILE", help="your price file (default: setting prices)")
    parser.add_argument("--json", action="store_true", help="one JSON object; unknown is null")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print the explanation."""
    now = time.time_ns()
    at_ns = moment(args.at, "--at", now) if args.at else now
    book = price_book(settings_from({"home": args.home, "prices": args.prices}))
    try:
        usage, terms = _usage(args), terms_of(dict(_pair(text, "--context") for text in args.context))
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None
    asked = Question(args.provider, args.model, at_ns or 0)
    cost = book.price(usage, provider=args.provider, model=args.model, at_ns=asked.at_ns, terms=terms, lines=True)
    if args.json:
        write(json.dumps(price_json(asked, usage, terms, cost, book), indent=2))
    else:
        write("\n".join(price_text(asked, cost, book, screen_of())))
    return 0


def price_json(asked: Question, usage: Usage, terms: Terms, cost: Cost, book: PriceBook) -> dict[str, Any]:
    """An explanation as JSON: money as decimal text, unknown as null."""
    return {
        "provider": asked.provider,
        "model": asked.model,
        "at": iso(asked.at_ns),
        "context": dict(terms.items),
        "usage": usage.reported(),
        "cost_usd": None if cost.nano_usd is None else usd_text(cost.nano_usd),
        "list_usd": None if cost.list_nano_usd is None else usd_text(cost.list_nano_usd),
        "cost_status": cost.status,
        "cost_reason": cost.reason,
        "cost_reasons": list(cost.reasons),
        "cost_source": cost.source,
        "price_version": cost.price_version,
        "prices_as_of": book.as_of,
        "detail": cost.detail,
        "lines": [
            {
                "unit": line.unit,
                "count": line.count,
                "usd": line.usd_per,
                "per": line.per,
                "amount_usd": amount_of(line),
            }
            for line in cost.lines
        ],
    }


def _usage(args: argparse.Namespace) -> Usage:
    counts: dict[str, Any] = {"input_tokens": None, "output_tokens": None}
    counts.update((unit, getattr(args, unit)) for unit, _ in _COUNTS.values() if getattr(args, unit) is not None)
    for text in args.unit:
        name, number = _pair(text, "--unit")
        counts[name] = _number(number, name)
    if any(count is not None for count in counts.values()):
        counts = {unit: 0 if count is None else count for unit, count in counts.items()}
    return usage_of(counts)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"{option} takes NAME=VALUE, not {text[:64]!r}")
    return name.strip(), value.strip()


def _grouped(text: str) -> int:
    return int(text.replace(",", ""))


def _number(text: str, name: str) -> int | float:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise UsageError(f"--unit {name} takes a number, not {text[:64]!r}") from None
