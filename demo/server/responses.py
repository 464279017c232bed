"""Answers of `POST /v1/responses`, whole and as a stream of events."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from demo.server.state import Exchange
from demo.server.text import deltas, sample, shares, text_of
from demo.server.tools import pick
from demo.server.usage import responses_usage

_SYSTEM = frozenset({"system", "developer"})
_UNFINISHED = frozenset({"failed", "queued", "in_progress"})
_LAST_EVENT = {"incomplete": "response.incomplete", "failed": "response.failed"}
Event = dict[str, Any]


def responses_body(exchange: Exchange) -> dict[str, Any]:
    """A whole response."""
    response = _response(exchange, "completed")
    if exchange.config.response_status not in _UNFINISHED:
        response["output"] = _output(exchange)
    return _ended(exchange, response)


def responses_events(exchange: Exchange) -> Iterator[Event]:
    """The events of a streamed response."""
    numbers = itertools.count()
    for event in _events(exchange):
        yield {"type": event["type"], "sequence_number": next(numbers), **event}


def _events(exchange: Exchange) -> Iterator[Event]:
    response = _response(exchange, "in_progress")
    yield {"type": "response.created", "response": dict(response)}
    yield {"type": "response.in_progress", "response": dict(response)}
    response["output"] = output = _output(exchange)
    for index, item in enumerate(output):
        yield {"type": "response.output_item.added", "output_index": index, "item": _opened(item)}
        yield from _item_events(exchange, item, {"item_id": item["id"], "output_index": index})
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    final = _ended(exchange, response)
    yield {"type": _LAST_EVENT.get(final["status"], "response.completed"), "response": final}


def settled(exchange: Exchange, response: dict[str, Any]) -> dict[str, Any]:
    """A remembered response as GET answers it: a queued one may have ended meanwhile."""
    if not exchange.config.settled_status or response["status"] not in {"queued", "in_progress"}:
        return response
    done = Exchange(exchange.config.merged({"response_status": exchange.config.settled_status}), {}, exchange.new_id)
    return _ended(done, {**response, "output": _output(done)})


def _response(exchange: Exchange, status: str) -> dict[str, Any]:
    body = exchange.body
    response: dict[str, Any] = {
        "id": exchange.new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": exchange.answered_model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": exchange.config.service_tier,
        "store": bool(body.get("store", True)),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }
    if conversation := body.get("conversation"):
        response["conversation"] = {"id": conversation if isinstance(conversation, str) else conversation.get("id")}
    return response


def _ended(exchange: Exchange, response: dict[str, Any]) -> dict[str, Any]:
    config = exchange.config
    ended = {**response, "status": config.response_status}
    if config.response_status == "incomplete":
        ended["incomplete_details"] = {"reason": config.incomplete_reason}
    elif config.response_status == "failed":
        ended["error"] = {"code": "server_error", "message": "Demo: the response failed."}
    if config.response_status in {"completed", "incomplete"}:
        ended |= {"usage": responses_usage(config), "completed_at": int(time.time())}
    return ended


def _output(exchange: Exchange) -> list[dict[str, Any]]:
    config, body = exchange.config, exchange.body
    if config.odd == "no_output":
        return []
    output: list[dict[str, Any]] = []
    if config.reasoning_tokens and (body.get("reasoning") or {}).get("effort"):
        summary = [{"type": "summary_text", "text": "demo reasoning summary"}]
        output.append({"id": exchange.new_id("rs"), "type": "reasoning", "summary": summary})
    output.extend(
        {"id": exchange.new_id("ws"), "type": "web_search_call", "status": "completed"}
        for _ in range(config.web_searches)
    )
    called = _called(exchange)
    return [*output, *(called or [_message(exchange)])]


def _called(exchange: Exchange) -> list[dict[str, Any]]:
    items = exchange.body.get("input")
    items = items if isinstance(items, list) else []
    system = [str(exchange.body.get("instructions") or "")]
    system += [text_of(item.get("content")) for item in items if isinstance(item, dict) and item.get("role") in _SYSTEM]
    return [
        {
            "id": exchange.new_id("fc"),
            "type": "function_call",
            "call_id": exchange.new_id("call"),
            "name": name,
            "arguments": exchange.config.tool_args,
            "status": "completed",
        }
        for name in pick(exchange.config, exchange.body.get("tools") or [], items, " ".join(system))
    ]


def _message(exchange: Exchange) -> dict[str, Any]:
    wanted = (exchange.body.get("text") or {}).get("format") or {}
    if exchange.config.refusal:
        part: dict[str, Any] = {"type": "refusal", "refusal": exchange.config.refusal}
    else:
        structured = wanted.get("type") == "json_schema"
        text = json.dumps(sample(wanted.get("schema") or {})) if structured else "".join(deltas(exchange.config))
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message_id = exchange.new_id("msg")
    return {"id": message_id, "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def _opened(item: dict[str, Any]) -> dict[str, Any]:
    """An output item as its first event shows it: begun and empty."""
    if item["type"] == "message":
        return {**item, "status": "in_progress", "content": []}
    if item["type"] == "function_call":
        return {**item, "status": "in_progress", "arguments": ""}
    return item


def _item_events(exchange: Exchange, item: dict[str, Any], where: dict[str, Any]) -> Iterator[Event]:
    if item["type"] == "message":
        yield from _part_events(exchange, item["content"][0], {**where, "content_index": 0})
    elif item["type"] == "function_call":
        for half in shares(item["arguments"], 2):
            yield {"type": "response.function_call_arguments.delta", **where, "delta": half}
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **where, **done}


def _part_events(exchange: Exchange, part: dict[str, Any], where: dict[str, Any]) -> Iterator[Event]:
    field = "text" if part["type"] == "output_text" else "refusal"
    yield {"type": "response.content_part.added", **where, "part": {**part, field: ""}}
    if field == "text":
        for delta in shares(part["text"], exchange.config.n_chunks):
            yield {"type": "response.output_text.delta", **where, "delta": delta, "logprobs": []}
        yield {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}
