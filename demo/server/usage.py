"""The usage part of an answer, in the two shapes of the API."""

from __future__ import annotations

from typing import Any

from demo.server.config import Config


def chat_usage(config: Config) -> dict[str, Any] | None:
    """Usage as Chat Completions state it: prompt and completion tokens."""
    if config.usage == "null":
        return None
    prompt, completion = _totals(config)
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if config.usage == "full":
        usage["prompt_tokens_details"] = {
            "cached_tokens": config.cached_tokens,
            "cache_write_tokens": config.cache_write_tokens,
            "audio_tokens": config.audio_tokens,
        }
        usage["completion_tokens_details"] = {
            "reasoning_tokens": config.reasoning_tokens,
            "audio_tokens": config.audio_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        }
    elif config.usage == "null_details":
        usage |= {"prompt_tokens_details": None, "completion_tokens_details": None}
    return _with_cost(usage, config)


def responses_usage(config: Config) -> dict[str, Any] | None:
    """Usage as the Responses API states it: input and output tokens."""
    if config.usage in {"null", "none"}:
        return None
    prompt, completion = _totals(config)
    usage: dict[str, Any] = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    if config.usage in {"full", "zero"}:
        known = config.usage == "full"
        usage["input_tokens_details"] = {
            "cached_tokens": config.cached_tokens if known else 0,
            "cache_write_tokens": config.cache_write_tokens if known else 0,
        }
        usage["output_tokens_details"] = {"reasoning_tokens": config.reasoning_tokens if known else 0}
    elif config.usage == "null_details":
        usage |= {"input_tokens_details": None, "output_tokens_details": None}
    return _with_cost(usage, config)


def embedding_usage(config: Config) -> dict[str, Any] | None:
    """Usage of an embeddings answer: input only."""
    if config.usage == "null":
        return None
    return {"prompt_tokens": config.prompt_tokens, "total_tokens": config.prompt_tokens}


def image_usage(config: Config) -> dict[str, Any]:
    """Usage of an image answer."""
    return {
        "input_tokens": config.prompt_tokens,
        "output_tokens": config.completion_tokens,
        "total_tokens": config.prompt_tokens + config.completion_tokens,
        "input_tokens_details": {"text_tokens": config.prompt_tokens, "image_tokens": 0},
    }


def _totals(config: Config) -> tuple[int, int]:
    return (0, 0) if config.usage == "zero" else (config.prompt_tokens, config.completion_tokens)


def _with_cost(usage: dict[str, Any], config: Config) -> dict[str, Any]:
    return usage if config.cost < 0 else {**usage, "cost": config.cost}
