"""Answers of the smaller endpoints: text completions, embeddings, images, models."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Iterator
from typing import Any

from demo.server.state import Exchange
from demo.server.text import deltas
from demo.server.usage import chat_usage, embedding_usage, image_usage

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
MODELS = {"object": "list", "data": [{"id": "gpt-demo", "object": "model"}]}


def completion_body(exchange: Exchange) -> dict[str, Any]:
    """A whole text completion."""
    text = "".join(deltas(exchange.config))
    answer = {**_base(exchange), "choices": [_choice(text, "stop")]}
    return answer if exchange.config.usage == "none" else {**answer, "usage": chat_usage(exchange.config)}


def completion_chunks(exchange: Exchange) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed text completion."""
    base = _base(exchange)
    for text in deltas(exchange.config):
        yield {**base, "choices": [_choice(text, None)]}
    yield {**base, "choices": [_choice("", "stop")]}
    if exchange.wants_usage:
        yield {**base, "choices": [], "usage": chat_usage(exchange.config)}


def _base(exchange: Exchange) -> dict[str, Any]:
    return {
        "id": exchange.new_id("cmpl"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": exchange.config.response_model or exchange.model,
    }


def _choice(text: str, reason: str | None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}


def embeddings_body(exchange: Exchange) -> dict[str, Any]:
    """One vector per input, as floats or base64."""
    config, body = exchange.config, exchange.body
    given = body.get("input")
    several = isinstance(given, list) and bool(given) and isinstance(given[0], (str, list))
    size = int(body.get("dimensions") or config.dimensions)
    vector: Any = [((index % 7) - 3) / 8 for index in range(size)]
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
    answer: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index in range(len(given) if isinstance(given, list) and several else 1)
        ],
        "model": config.response_model or exchange.model,
    }
    return answer if config.usage == "none" else {**answer, "usage": embedding_usage(config)}


def images_body(exchange: Exchange) -> dict[str, Any]:
    """As many pictures of one pixel as were asked for."""
    count = int(exchange.body.get("n") or 1)
    return {
        "created": int(time.time()),
        "data": [{"b64_json": PIXEL} for _ in range(count)],
        "usage": image_usage(exchange.config),
    }
