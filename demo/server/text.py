"""The words of an answer: fixed, generated, or shaped by a JSON schema."""

from __future__ import annotations

from typing import Any

from demo.server.config import Config

_WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "harbor", "inlet", "juniper", "kelp", "lagoon")
_SAMPLES: dict[str | None, Any] = {"integer": 7, "number": 1.5, "boolean": True, "null": None}


def deltas(config: Config) -> list[str]:
    """The answer in the pieces in which a stream sends it."""
    if config.text:
        return pieces(config.text, config.chunk_chars or _share(config.text, config.n_chunks))
    if config.chunk_chars:
        return ["x" * config.chunk_chars] * config.n_chunks
    return [(" " if index else "") + _WORDS[index % len(_WORDS)] for index in range(config.n_chunks)]


def pieces(text: str, size: int) -> list[str]:
    """A text cut into pieces of `size` characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def shares(text: str, count: int) -> list[str]:
    """A text cut into about `count` equal pieces."""
    return pieces(text, _share(text, count))


def _share(text: str, count: int) -> int:
    return max(1, -(-len(text) // max(1, count)))


def text_of(content: Any) -> str:
    """The text of a message's content, whether a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def sample(schema: Any, depth: int = 0) -> Any:
    """A value that fits a JSON schema, well enough for structured output."""
    if not isinstance(schema, dict) or depth > 8:
        return "x"
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "$ref" in schema:
        return {}
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], depth + 1)
    kind = schema["type"][0] if isinstance(schema.get("type"), list) else schema.get("type")
    if kind == "object" or "properties" in schema:
        return {name: sample(part, depth + 1) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [sample(schema.get("items") or {}, depth + 1)]
    return _SAMPLES.get(kind, "demo")
