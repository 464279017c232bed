"""A request as budgets see it: its size, what its answer may be and whose it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from spanwatch.core import names
from spanwatch.core.budgets import Asked
from spanwatch.core.call import Call, Cost, Usage
from spanwatch.core.prices import PriceBook
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.budgets.holds import Asking, attributes_of
from spanwatch.otel.context import carried
from spanwatch.otel.openai.endpoints import Shape
from spanwatch.otel.openai.opened import OpenCall
from spanwatch.otel.openai.reading import get, sequence
from spanwatch.otel.telemetry import Telemetry

# What the provider reads besides the text of the request.
_BEYOND = ("previous_response_id", "conversation", "prompt_cache_id")
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "message", "function_call", "reasoning"})
_OWN_TOOLS = frozenset({"function", "custom"})
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False, default=str).encode


def asking_of(
    call: OpenCall, body: Mapping[str, Any], telemetry: Telemetry, budgets: Enforcement, *, blocking: bool
) -> Asking:
    """The facts of a call that is about to be made."""
    request, book, who = call.request, budgets.book, carried(call.context)
    known = attributes_of(
        who.tags,
        user_id=request.user_id or who.user_id,
        conversation_id=request.conversation_id or who.conversation_id,
        agent=telemetry.agent(call.parent) or who.agent,
        model=request.model,
        provider=request.server.provider,
        service=budgets.service,
    )
    asked = Asked(
        model=request.model,
        input_bytes=size(body),
        whole=is_whole(body),
        max_output_tokens=request.attributes.get(names.REQUEST_MAX_TOKENS),
        choices=_choices(body),
        context_limit=book.context_limit(request.server.provider, request.model),
        produces=request.endpoint.shape is not Shape.EMBEDDINGS,
    )
    return Asking(call.call_id, call.started_ns, asked, known, _price_of(call, book), blocking)


def _price_of(call: OpenCall, book: PriceBook) -> Callable[[Usage], Cost]:
    """What usage of this call would cost."""
    request, provider, model = call.request, call.request.server.provider, call.request.model
    tier = request.attributes.get(names.OPENAI_REQUEST_SERVICE_TIER)
    bare = Call(
        call.call_id,
        request.endpoint.operation,
        call.started_ns,
        call.started_ns,
        provider=provider,
        request_model=model,
        server_address=request.server.address,
        price_context=() if tier is None else (("service_tier", tier),),
    )
    terms = book.terms(bare)
    return lambda usage: book.price(usage, provider=provider, model=model, at_ns=call.started_ns, terms=terms)


def size(body: Mapping[str, Any]) -> int:
    """Bytes of a request's JSON, in UTF-8."""
    text = _encode(body)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def is_whole(body: Mapping[str, Any]) -> bool:
    """Whether the provider reads no more than the request: no file, image, sound, stored text or tool of its own."""
    if any(body.get(name) for name in _BEYOND) or isinstance(body.get("prompt"), Mapping):
        return False
    tools = {get(tool, "type") for tool in sequence(body.get("tools"))}
    if tools - _OWN_TOOLS or body.get("web_search_options"):
        return False
    said = [*sequence(body.get("messages")), *sequence(body.get("input"))]
    return all(_is_text(message) for message in said)


def _is_text(message: Any) -> bool:
    """Whether a message, or an item of a response's input, is text alone."""
    if not isinstance(message, Mapping):
        return True  # a string, or the numbers of its tokens
    kind = message.get("type", "message")
    parts = [*sequence(message.get("content")), *sequence(message.get("output"))]
    if kind not in _TEXT_PARTS and not str(kind).endswith(("_call_output", "_call")):
        return False
    return message.get("audio") is None and all(get(part, "type") in {*_TEXT_PARTS, None} for part in parts)


def _choices(body: Mapping[str, Any]) -> int:
    """How many answers are made; of a text completion also those that are thrown away."""
    prompts = body.get("prompt")
    several = len(prompts) if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int) else 1
    counts = [value for name in ("n", "best_of") if type(value := body.get(name)) is int]
    return max([1, *counts]) * several
