"""Captured content as span attributes: JSON texts, cut at a size that is told. Used only when content is on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spanwatch.core import names
from spanwatch.otel.openai.endpoints import Shape
from spanwatch.otel.openai.messages import Message, input_messages, instructions, merged, output_messages, tool_call
from spanwatch.otel.openai.reading import get, sequence, text, values
from spanwatch.otel.openai.request import Request

Attributes = dict[str, Any]


def input_attributes(request: Request, body: Mapping[str, Any], max_bytes: int) -> Attributes:
    """What was sent: messages, separate instructions, tool definitions."""
    found: Attributes = {}
    cut = 0
    for name, value in (
        (names.INPUT_MESSAGES, input_messages(request.endpoint, body)),
        (names.SYSTEM_INSTRUCTIONS, instructions(body)),
        (names.TOOL_DEFINITIONS, list(sequence(body.get("tools")))),
    ):
        if value:
            found[name], lost = capped(value, max_bytes)
            cut += lost
    if cut:
        found[names.CONTENT_CUT] = cut
    return found


class Output:
    """What came back, collected from a whole answer or from chunks."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._whole: Any = None
        self._choices: dict[int, _Begun] = {}
        self._items: dict[int, Any] = {}  # finished output items of a response, by output index

    def whole(self, result: Any) -> None:
        """The answer in one piece."""
        self._whole = result

    def chunk(self, chunk: Any) -> None:
        """One more chunk; nothing is built from it yet."""
        if self._shape is Shape.RESPONSE:
            self._event(chunk)
            return
        for choice in sequence(get(chunk, "choices")):
            index = get(choice, "index")
            self._choices.setdefault(index if isinstance(index, int) else 0, _Begun()).add(choice)

    def attributes(self, max_bytes: int, already: Mapping[str, Any]) -> Attributes:
        """The output messages; `already` are the input's attributes, whose cut bytes are added to."""
        messages = self.messages()
        if not messages:
            return {}
        said, lost = capped(messages, max_bytes)
        found: Attributes = {names.OUTPUT_MESSAGES: said}
        if lost:
            found[names.CONTENT_CUT] = lost + already.get(names.CONTENT_CUT, 0)
        return found

    def messages(self) -> list[Message]:
        """One message per choice."""
        if self._whole is not None:
            return output_messages(self._shape, self._whole)
        if self._items:
            items = [self._items[index] for index in sorted(self._items)]
            begun = [self._choices[index].message() for index in sorted(self._choices.keys() - self._items.keys())]
            return merged([*output_messages(self._shape, {"output": items}), *begun])
        return [self._choices[index].message() for index in sorted(self._choices)]

    def _event(self, event: Any) -> None:
        response = get(event, "response")
        if response is not None:
            if get(response, "output"):
                self._whole = response
            return
        kind, index = get(event, "type"), get(event, "output_index")
        position = index if isinstance(index, int) else 0
        if kind == "response.output_item.done":
            self._items[position] = get(event, "item")
        elif kind == "response.output_text.delta":
            self._choices.setdefault(position, _Begun()).text.append(text(get(event, "delta")) or "")


@dataclass(slots=True)
class _Begun:
    """One choice of a stream, in pieces."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, choice: Any) -> None:
        delta = get(choice, "delta")
        for pieces, piece in (
            (self.text, get(delta, "content") or get(choice, "text")),
            (self.reasoning, get(delta, "reasoning_content") or get(delta, "reasoning")),
            (self.refusal, get(delta, "refusal")),
        ):
            if isinstance(piece, str) and piece:
                pieces.append(piece)
        for call in sequence(get(delta, "tool_calls")):
            index = get(call, "index")
            begun = self.calls.setdefault(index if isinstance(index, int) else 0, {"arguments": []})
            function = get(call, "function")
            begun["id"] = begun.get("id") or get(call, "id")
            begun["name"] = begun.get("name") or get(function, "name")
            begun["arguments"].append(text(get(function, "arguments")) or "")

    def message(self) -> Message:
        parts: list[dict[str, Any]] = [
            {"type": kind, "content": "".join(pieces)}
            for kind, pieces in (("reasoning", self.reasoning), ("text", self.text), ("refusal", self.refusal))
            if pieces
        ]
        for _, call in sorted(self.calls.items()):
            parts.append(tool_call(call.get("id"), call.get("name"), "".join(call["arguments"])))
        return {"role": "assistant", "parts": parts}


def capped(value: list[Any], max_bytes: int) -> tuple[str, int]:
    """A list as JSON of at most about `max_bytes` bytes, and how many bytes were cut from it.

    The JSON stays valid: long strings lose their ends, and what comes after the size is reached is left out.
    """
    whole = _json(value)
    size = len(whole.encode())
    if size <= max_bytes:
        return whole, 0
    cutter = _Cutter(max_bytes - 2)
    kept = _json([item for item in map(cutter.value, json.loads(whole)) if item is not None])
    return kept, max(0, size - len(kept.encode()))


class _Cutter:
    """Copies JSON values while a number of bytes lasts."""

    def __init__(self, room: int) -> None:
        self._room = room

    def value(self, value: Any) -> Any:
        """The value as far as it fits; None when nothing of it does."""
        if self._room <= 0:
            return None
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, (list, dict)):
            return self._container(value)
        self._room -= len(_json(value)) + 1
        return value if self._room >= 0 else None

    def _container(self, value: list[Any] | dict[str, Any]) -> Any:
        self._room -= 3  # its brackets and the comma behind it
        if self._room < 0:
            return None
        if isinstance(value, list):
            return [kept for item in value if (kept := self.value(item)) is not None]
        return {key: kept for key, item in value.items() if (kept := self._pair(key, item)) is not None}

    def _pair(self, key: str, value: Any) -> Any:
        self._room -= len(_json(key).encode()) + 2
        return self.value(value)

    def _string(self, value: str) -> str | None:
        room = max(0, self._room - 3)
        size = _inner_size(value)
        self._room -= size + 3
        if self._room >= 0:
            return value
        kept = value.encode()[:room].decode(errors="ignore")
        while (size := _inner_size(kept)) > room:  # what JSON escapes takes more bytes than it has
            kept = kept[: len(kept) * room // size]
        return kept or None


def _inner_size(value: str) -> int:
    """Bytes of a string in JSON, without its quotes."""
    return len(_json(value).encode()) - 2


def _json(value: Any) -> str:
    """Compact JSON; a lone surrogate, which no exporter could encode, becomes a question mark."""
    written = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return written if written.isascii() else written.encode(errors="replace").decode()


def _plain(value: Any) -> Any:
    """A value that JSON has no form for: the fields of a model object, else the name of its type."""
    fields = values(value)
    return {**fields} if fields else f"<{type(value).__name__}>"
