"""Requests and answers as the convention's messages: `[{"role", "parts": [{"type", ...}]}]`. Content, so opt-in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spanwatch.otel.openai.endpoints import Endpoint, Shape
from spanwatch.otel.openai.reading import get, sequence, text, values

Part = dict[str, Any]
Message = dict[str, Any]

_TEXTS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
_CALLS = frozenset({"function_call", "custom_tool_call"})
_CALL_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


def input_messages(endpoint: Endpoint, body: Mapping[str, Any]) -> list[Message]:
    """What was sent, as messages."""
    if endpoint.shape is Shape.CHAT and "messages" in body:
        return [_chat_message(message) for message in sequence(body["messages"])]
    if endpoint.shape is Shape.RESPONSE:
        return _items(body.get("input"), "user")
    asked = body.get("input") if endpoint.shape is Shape.EMBEDDINGS else body.get("prompt")
    texts = [asked] if isinstance(asked, str) else [item for item in sequence(asked) if isinstance(item, str)]
    return [{"role": "user", "parts": [_text(each)]} for each in texts]


def instructions(body: Mapping[str, Any]) -> list[Part]:
    """Instructions given apart from the messages, as parts."""
    given = body.get("instructions")
    return [_text(given)] if isinstance(given, str) and given else []


def output_messages(shape: Shape, result: Any) -> list[Message]:
    """What came back in one piece, as messages."""
    if shape is Shape.RESPONSE:
        return merged(_items(get(result, "output"), "assistant"))
    if shape is not Shape.CHAT:
        return []
    return [_choice(choice) for choice in sequence(get(result, "choices"))]


def merged(messages: list[Message]) -> list[Message]:
    """The items of one answer are parts of one message."""
    parts = [part for message in messages for part in message["parts"]]
    return [{"role": "assistant", "parts": parts}] if parts else []


def arguments_of(raw: Any) -> Any:
    """A tool call's arguments: parsed where they are JSON, else as they are."""
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def tool_call(call_id: Any, name: Any, arguments: Any) -> Part:
    """One call of a tool that the model asks for."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments_of(arguments)}


def _text(content: str) -> Part:
    return {"type": "text", "content": content}


def _choice(choice: Any) -> Message:
    message = get(choice, "message")
    if message is None:
        return {"role": "assistant", "parts": [_text(get(choice, "text") or "")]}
    return _chat_message(message, "assistant")


def _chat_message(message: Any, role: str = "user") -> Message:
    role = text(get(message, "role")) or role
    content = get(message, "content")
    if role == "tool":
        response = content if isinstance(content, str) else [_part(part) for part in sequence(content)]
        answered = {"type": "tool_call_response", "id": get(message, "tool_call_id"), "response": response}
        return {"role": role, "parts": [answered]}
    parts: list[Part] = []
    reasoning = text(get(message, "reasoning_content"))
    if reasoning is not None:
        parts.append({"type": "reasoning", "content": reasoning})
    parts += _parts(content)
    refusal = text(get(message, "refusal"))
    if refusal is not None:
        parts.append({"type": "refusal", "content": refusal})
    for call in sequence(get(message, "tool_calls")):
        function = get(call, "function") or get(call, "custom")
        arguments = get(function, "arguments") or get(function, "input")
        parts.append(tool_call(get(call, "id"), get(function, "name"), arguments))
    found: Message = {"role": role, "parts": parts}
    name = text(get(message, "name"))
    return {**found, "name": name} if name is not None else found


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [_text(content)]
    return [_part(part) for part in sequence(content)]


def _part(part: Any) -> Part:
    kind = get(part, "type")
    if kind in _TEXTS:
        return _text(get(part, "text") or "")
    if kind == "refusal":
        return {"type": "refusal", "content": get(part, "refusal")}
    if kind in {"image_url", "input_image"}:
        return _media("image", part)
    if kind == "input_audio":
        audio = get(part, "input_audio")
        mime = f"audio/{get(audio, 'format') or 'wav'}"
        return {"type": "blob", "mime_type": mime, "modality": "audio", "content": get(audio, "data")}
    if kind in {"file", "input_file"}:
        file = get(part, "file") or part
        return {"type": "file", "modality": "file", "file_id": get(file, "file_id") or get(file, "filename")}
    return {**values(part), "type": kind if isinstance(kind, str) else "unknown"}


def _media(modality: str, part: Any) -> Part:
    url = get(part, "image_url")
    url = url if isinstance(url, str) else get(url, "url")
    if not isinstance(url, str):
        return {"type": "file", "modality": modality, "file_id": get(part, "file_id")}
    if not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    head, _, data = url.partition(",")
    return {"type": "blob", "mime_type": head[5:].partition(";")[0], "modality": modality, "content": data}


def _items(given: Any, role: str) -> list[Message]:
    """Items of the Responses API, sent or received."""
    if isinstance(given, str):
        return [{"role": role, "parts": [_text(given)]}]
    return [_item(item, role) for item in sequence(given)]


def _item(item: Any, role: str) -> Message:
    kind = get(item, "type")
    if kind in _CALLS:
        arguments = get(item, "arguments") or get(item, "input")
        called = tool_call(get(item, "call_id"), get(item, "name"), arguments)
        return {"role": "assistant", "parts": [called]}
    if kind in _CALL_OUTPUTS:
        answered = {"type": "tool_call_response", "id": get(item, "call_id"), "response": get(item, "output")}
        return {"role": "tool", "parts": [answered]}
    if kind == "reasoning":
        said = [*sequence(get(item, "summary")), *sequence(get(item, "content"))]
        parts = [{"type": "reasoning", "content": get(part, "text")} for part in said]
        return {"role": "assistant", "parts": parts}
    if kind in {None, "message"}:
        return {"role": text(get(item, "role")) or role, "parts": _parts(get(item, "content"))}
    return {"role": "assistant", "parts": [_part(item)]}
