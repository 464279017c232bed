"""The most that a call may take, before it is made: tokens from bytes and limits, money at the dearest rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spanwatch.core.call import Cost, CostStatus, Usage

FRAME_TOKENS = 64  # what a provider wraps around a request and does not send back as text
DEFAULT_CONTEXT = 1_000_000  # tokens of input where neither the text nor the model's limit is at hand
DEFAULT_OUTPUT = 16_384  # tokens of one answer where neither max_tokens nor the model's limit is known

# The longest answer of each family, by the longest prefix; from the makers' model pages, November 2026.
OUTPUT_LIMITS: dict[str, int] = {
    "gpt-3.5": 4_096,
    "gpt-4": 8_192,
    "gpt-4-turbo": 4_096,
    "gpt-4o": 16_384,
    "gpt-4.1": 32_768,
    "gpt-5": 128_000,
    "o1": 100_000,
    "o1-mini": 65_536,
    "o1-preview": 32_768,
    "o3": 100_000,
    "o4": 100_000,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A call about to be made. None is not known.

    `input_bytes` is the size of the request's JSON, UTF-8: no tokenizer with byte fallback makes more tokens than
    bytes, and the JSON around the text outweighs what wraps it. `whole` is False when the provider will read more than
    that: files, images, audio, a previous response, a stored prompt, results of its own tools.
    """

    model: str | None = None
    input_bytes: int | None = None
    whole: bool = True
    max_output_tokens: int | None = None
    choices: int = 1
    context_limit: int | None = None
    output_limit: int | None = None
    produces: bool = True  # False for embeddings: there is no output


@dataclass(frozen=True, slots=True)
class Estimate:
    """Upper bounds. `nano_usd` is None when there is no price."""

    input_tokens: int
    output_tokens: int
    nano_usd: int | None

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


def estimate(asked: Asked, price: Callable[[Usage], Cost]) -> Estimate:
    """The most that a call may take. `price` gives the cost of a usage with the call's model, time and tier."""
    given, made = input_bound(asked), output_bound(asked)
    return Estimate(given, made, dearest(given, made, price))


def input_bound(asked: Asked) -> int:
    """Tokens of input: the bytes, or the context limit where the text is not at hand; never more than the limit."""
    limit = asked.context_limit
    if not asked.whole or asked.input_bytes is None:
        return max(limit or DEFAULT_CONTEXT, 0)
    bound = asked.input_bytes + FRAME_TOKENS
    return bound if limit is None else min(bound, limit)


def output_bound(asked: Asked) -> int:
    """Tokens of output: of every choice, what was asked for or what the model can make."""
    if not asked.produces:
        return 0
    limit = asked.output_limit or _family_limit(asked.model)
    bound = limit or min(DEFAULT_OUTPUT, asked.context_limit or DEFAULT_OUTPUT)
    if asked.max_output_tokens is not None:
        bound = asked.max_output_tokens if limit is None else min(limit, asked.max_output_tokens)
    return max(bound, 0) * max(asked.choices, 1)


BYTES_PER_TOKEN = 3  # fewer than English, German or Chinese text has; code and JSON come close


def guess(asked: Asked, bound: Estimate, received_bytes: int, chunks: int) -> Usage:
    """What a call that was left probably took: its input, and the output that came; never more than its bound."""
    given = bound.input_tokens
    if asked.input_bytes is not None:
        given = min(given, -(-asked.input_bytes // BYTES_PER_TOKEN))
    made = max(chunks, -(-received_bytes // BYTES_PER_TOKEN))
    return Usage(input_tokens=given, output_tokens=min(made, bound.output_tokens))


def _family_limit(model: str | None) -> int | None:
    name = (model or "").rpartition("/")[2].lower()
    name = name.removeprefix("ft:")
    found = [prefix for prefix in OUTPUT_LIMITS if name.startswith(prefix)]
    return OUTPUT_LIMITS[max(found, key=len)] if found else None


def dearest(given: int, made: int, price: Callable[[Usage], Cost]) -> int | None:
    """Nano-USD of the dearest way to bill these tokens, or None when no way has a price.

    A lower bound (`partial`) counts only where there is nothing better.
    """
    costs = [cost for usage in _ways(given, made) if (cost := price(usage)).nano_usd is not None]
    sure = [cost for cost in costs if cost.status is not CostStatus.PARTIAL] or costs
    return max((cost.nano_usd for cost in sure if cost.nano_usd is not None), default=None)


def _ways(given: int, made: int) -> Iterator[Usage]:
    """How a provider may bill the tokens: nothing cached, or all of the input written to one of its caches."""
    yield Usage(input_tokens=given, output_tokens=made)
    yield Usage(input_tokens=given, output_tokens=made, cache_write_tokens=given)
    yield Usage(input_tokens=given, output_tokens=made, cache_write_1h_tokens=given)
