"""What pricing one call costs, beside genai-prices' own `calc_price`, in CPU time: `python -m benchmarks.bench_price`.

Both price the same calls in turn, A/B then B/A, round after round, so that what else the machine does hits both. A
figure is the median over the rounds. Everything is warm but the last row, which is the first look at a model's name.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from spanwatch.core.call import Call, Usage
from spanwatch.core.prices import PriceBook

AT = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
CASES = {
    "plain": ("openai", "gpt-4o-mini-2024-07-18", {"input_tokens": 1240, "output_tokens": 86}),
    "cached": ("openai", "gpt-4o-2024-08-06", {"input_tokens": 9000, "cache_read_tokens": 8000, "output_tokens": 500}),
    "tiered": ("openai", "gpt-5.5", {"input_tokens": 300_000, "cache_read_tokens": 100_000, "output_tokens": 2000}),
    "cache writes": (
        "anthropic",
        "claude-sonnet-4-5-20250929",
        {"input_tokens": 102_000, "cache_read_tokens": 90_000, "cache_write_tokens": 10_000, "output_tokens": 1500},
    ),
}


def call_of(provider: str, model: str, counts: dict[str, int]) -> Call:
    """The call as the call site hands it over."""
    start = int(AT.timestamp()) * 10**9
    return Call(
        call_id="1",
        operation="chat",
        started_ns=start,
        ended_ns=start + 10**9,
        provider=provider,
        request_model=model,
        response_model=model,
        usage=Usage(**counts),
    )


def cpu_us(action: Callable[[], object], times: int) -> float:
    """Microseconds of CPU per repetition."""
    begun = time.process_time_ns()
    for _ in range(times):
        action()
    return (time.process_time_ns() - begun) / times / 1000


def compare(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, times: int) -> tuple[float, float]:
    """Medians of both, measured in turn."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        pair = ((ours, times, found[0]), (theirs, max(times // 20, 1), found[1]))
        for action, count, figures in pair if number % 2 else pair[::-1]:
            figures.append(cpu_us(action, count))
    return statistics.median(found[0]), statistics.median(found[1])


def measured(rounds: int, times: int) -> list[tuple[str, float, float]]:
    """(case, our microseconds, their microseconds)."""
    book, rows = PriceBook(), []
    for name, (provider, model, counts) in CASES.items():
        call, usage = call_of(provider, model, counts), TheirUsage(**counts)

        def ours(call: Call = call) -> object:
            return book.price_call(call)

        def theirs(usage: TheirUsage = usage, model: str = model, provider: str = provider) -> object:
            return calc_price(usage, model, provider_id=provider, genai_request_timestamp=AT)

        exact, their_usd = ours().usd, theirs().total_price  # type: ignore[attr-defined]
        assert abs(exact - their_usd) < 1e-9, f"{name}: {exact} is not {their_usd}"
        rows.append((name, *compare(ours, theirs, rounds, times)))
    names = (f"ft:gpt-4o-mini-2024-07-18:acme::{number}" for number in itertools.count())
    counts = CASES["plain"][2]
    usage = TheirUsage(**counts)
    first = compare(
        lambda: book.price_call(call_of("openai", next(names), counts)),
        lambda: calc_price(usage, next(names), provider_id="openai", genai_request_timestamp=AT),
        rounds,
        max(times // 20, 1),
    )
    return [*rows, ("a name never seen", *first)]


def table(rows: list[tuple[str, float, float]]) -> str:
    """A Markdown table."""
    where = f"Python {platform.python_version()}, genai-prices {version('genai-prices')}, {dt.datetime.now(dt.UTC):%F}"
    lines = [
        f"µs of CPU per priced call, median ({where}):",
        "",
        "| call | spanwatch | genai-prices `calc_price` | ratio |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {ours:.1f} | {theirs:.0f} | {theirs / ours:.1f}x |" for name, ours, theirs in rows),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--times", type=int, default=4000, help="priced calls per round")
    args = parser.parse_args()
    print(table(measured(args.rounds, args.times)))


if __name__ == "__main__":
    main()
