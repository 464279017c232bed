"""How much text came back, before anybody says how many tokens it is."""

from __future__ import annotations

from typing import Any

from spanwatch.otel.openai.reading import get, sequence, values

_DELTAS = ("content", "refusal", "reasoning_content", "reasoning")


def output_bytes(chunk: Any) -> int:
    """Bytes of text in a chunk of a stream: what the model made of it so far."""
    delta = get(chunk, "delta")  # an event of a response
    if isinstance(delta, str):
        return _bytes(delta)
    total = 0
    for choice in sequence(values(chunk).get("choices")):
        fields = values(get(choice, "delta"))
        total += _bytes(get(choice, "text"))
        for name in _DELTAS:
            total += _bytes(fields.get(name))
        for tool in sequence(fields.get("tool_calls")):
            function = get(tool, "function")
            total += _bytes(get(function, "name")) + _bytes(get(function, "arguments"))
    return total


def _bytes(text: Any) -> int:
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
