"""Answers of `POST /v1/chat/completions`, whole and as a stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo.server.state import Exchange
from demo.server.text import deltas, pieces, sample, text_of
from demo.server.tools import pick
from demo.server.usage import chat_usage

_SYSTEM = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class _Plan:
    """What both shapes of one answer say."""

    base: dict[str, Any]
    tools: list[tuple[str, str]]  # call id, name
    deltas: list[str]
    finish: str
    order: list[int]  # the indexes of the choices, in the order in which they are sent


def chat_body(exchange: Exchange) -> dict[str, Any]:
    """A whole answer."""
    config, plan = exchange.config, _plan(exchange)
    answer: dict[str, Any] = {"object": "chat.completion", **plan.base}
    answer["choices"] = [
        {"index": index, "message": _message(exchange, plan), "logprobs": None, "finish_reason": plan.finish}
        for index in sorted(plan.order)
    ]
    if config.odd == "choices_null":
        answer["choices"] = None
    elif config.odd == "empty_choices":
        answer["choices"] = []
    elif config.odd == "extra_fields":
        answer["x_provider"] = {"name": "demo"}
    if config.usage != "none":
        answer["usage"] = chat_usage(config)
    return answer


def chat_chunks(exchange: Exchange) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed answer."""
    config, plan = exchange.config, _plan(exchange)
    base: dict[str, Any] = {"object": "chat.completion.chunk", **plan.base}
    if exchange.wants_usage:
        base["usage"] = None

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}

    if config.odd in {"choices_null", "empty_choices"}:
        yield {**base, "choices": None if config.odd == "choices_null" else []}
    for index in plan.order:
        yield chunk(index, {"role": "assistant", "content": ""})
    if config.reasoning_content:
        for index in plan.order:
            yield chunk(index, {"reasoning_content": config.reasoning_content})
    if plan.tools:
        for part in _tool_parts(exchange, plan):
            yield chunk(0, {"tool_calls": [part]})
    else:
        for text in plan.deltas:
            for index in plan.order:
                yield chunk(index, {"content": text})
    for index in plan.order:
        last = chunk(index, {}, plan.finish)
        if config.odd == "usage_in_choice":
            last["choices"][0]["usage"] = chat_usage(config)
        yield last
    if _usage_comes(exchange):
        yield {**base, "choices": [], "usage": chat_usage(config)}


def _usage_comes(exchange: Exchange) -> bool:
    mode = exchange.config.usage_on_stream
    return exchange.config.usage != "none" and (mode == "always" or (mode == "auto" and exchange.wants_usage))


def _plan(exchange: Exchange) -> _Plan:
    config, body = exchange.config, exchange.body
    messages = body.get("messages") or []
    system = " ".join(
        text_of(message.get("content"))
        for message in messages
        if isinstance(message, dict) and message.get("role") in _SYSTEM
    )
    picked = pick(config, body.get("tools") or [], messages, system)
    order = list(range(int(body.get("n") or 1)))
    if config.odd == "index_order":
        order.reverse()
    base = {
        "id": exchange.new_id("chatcmpl"),
        "created": int(time.time()),
        "model": exchange.answered_model,
        "service_tier": config.service_tier,
        "system_fingerprint": config.system_fingerprint,
    }
    return _Plan(
        base=base,
        tools=[(exchange.new_id("call"), name) for name in picked],
        deltas=[] if config.refusal else _deltas(exchange),
        finish=config.finish_reason or ("tool_calls" if picked else "stop"),
        order=order,
    )


def _deltas(exchange: Exchange) -> list[str]:
    wanted = exchange.body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return pieces(json.dumps(sample((wanted.get("json_schema") or {}).get("schema") or {})), 6)
    if wanted.get("type") == "json_object":
        return ['{"demo"', ": true}"]
    return deltas(exchange.config)


def _message(exchange: Exchange, plan: _Plan) -> dict[str, Any]:
    config = exchange.config
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": config.refusal or None}
    if plan.tools:
        message["tool_calls"] = [
            {"id": call, "type": "function", "function": {"name": name, "arguments": config.tool_args}}
            for call, name in plan.tools
        ]
    elif not config.refusal and config.odd != "null_content":
        message["content"] = "".join(plan.deltas)
    if config.reasoning_content:
        message["reasoning_content"] = config.reasoning_content
    return message


def _tool_parts(exchange: Exchange, plan: _Plan) -> Iterator[dict[str, Any]]:
    """Each tool call as a head and its arguments in two halves."""
    arguments = exchange.config.tool_args
    first = 1 if exchange.config.odd == "tool_index_gap" else 0
    for index, (call, name) in enumerate(plan.tools, first):
        yield {"index": index, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
        for half in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            yield {"index": index, "function": {"arguments": half}}
