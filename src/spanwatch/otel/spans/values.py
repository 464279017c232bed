"""Values of the application as attributes: content when it is on, else types and sizes. No value can break it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from opentelemetry.util.types import AttributeValue

from spanwatch.core import names
from spanwatch.core.sanitise import Sanitiser
from spanwatch.otel.openai.content import capped
from spanwatch.otel.spans.kinds import Kind
from spanwatch.otel.telemetry import Content

MAX_TEXT = 1_024  # characters of a name, an id or a tag
_SIZED = {kind: kind.__name__ for kind in (str, bytes, bytearray, list, tuple, dict, set, frozenset)}
_INT64 = 1 << 63
_LISTS = frozenset({list, tuple})
_PLAIN = frozenset({bool, int, float})
_IDS = {bool: bool.__repr__, int: int.__repr__, float: float.__repr__, UUID: UUID.__str__}

Attributes = dict[str, AttributeValue]


class Cleaner:
    """Makes short texts and attributes fit to be sent; `replaced` counts what it had to change."""

    def __init__(self) -> None:
        self.replaced = 0

    def text(self, value: Any) -> str:
        """Any value as a text of at most 1,024 characters that every exporter can encode."""
        if type(value) is str and len(value) <= MAX_TEXT and value.isascii():
            return value
        try:
            plain = str.__str__(value) if isinstance(value, str) else _IDS[type(value)](value)
        except Exception:  # noqa: BLE001 (the value is the application's, and may be of any type)
            self.replaced += 1
            return f"<{type(value).__name__}>"
        sound = plain[:MAX_TEXT].encode(errors="replace").decode()
        self.replaced += sound != plain
        return sound

    def texts(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Tags."""
        return tuple(self.text(value) for value in values)

    def attributes(self, given: Mapping[str, Any] | None) -> Attributes:
        """Further attributes, each of a type that a span takes."""
        return {} if not given else {self.text(name): self._value(value) for name, value in dict(given).items()}

    def _value(self, value: Any) -> AttributeValue:
        if type(value) in _PLAIN and (type(value) is float or -_INT64 <= value < _INT64):
            return value  # type: ignore[no-any-return]  # one of the three, as just asked
        if type(value) in _LISTS and {type(item) for item in value} == {str}:
            return self.texts(value)
        return self.text(value)


def given(
    kind: Kind, parameters: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any], content: Content
) -> Attributes:
    """What a function was called with."""
    if not (args or kwargs):
        return {}
    if not kwargs and len(args) <= len(parameters) and not content.on:
        return {names.INPUT_TYPES: ", ".join([f"{parameters[at]}: {_type(value)}" for at, value in enumerate(args)])}
    pairs = list(zip(parameters, args, strict=False))
    if len(args) > len(pairs):
        pairs += [(f"args[{index}]", value) for index, value in enumerate(args[len(pairs) :])]
    if kwargs:
        pairs += kwargs.items()
    if content.on and kind.given is not None:
        only = pairs[0][1] if len(pairs) == 1 else None
        return _content(kind.given, "user", only if type(only) is str and _is_text(kind) else dict(pairs), content)
    return {names.INPUT_TYPES: ", ".join([f"{name}: {_type(value)}" for name, value in pairs])}


def gave(kind: Kind, content: Content, result: Any, items: int | None = None) -> Attributes:
    """What a function returned; of a generator also how many `items` it yielded."""
    found: Attributes = {} if items is None else {names.RESULT_ITEMS: items}
    if result is None:
        return found
    if content.on and kind.gave is not None:
        return {**found, **_content(kind.gave, "assistant", result, content)}
    found[names.RESULT_TYPE] = _type(result)
    return found


def called_with(kind: Kind, content: Content, arguments: Any) -> Attributes:
    """What the application says a tool was called with, such as the JSON text of a model's tool call."""
    if content.on and kind.given is not None:
        return _content(kind.given, "user", arguments, content)
    return {names.INPUT_TYPES: f"arguments: {_type(arguments)}"}


def _is_text(kind: Kind) -> bool:
    """Whether one text stands for itself, without the name of its parameter."""
    return kind.given != names.TOOL_CALL_ARGUMENTS


def _content(name: str, role: str, value: Any, content: Content) -> Attributes:
    """Messages for the attributes that hold such, a text as it is, anything else as JSON."""
    safe = Sanitiser()
    kept = safe.value(value)
    text, cut = (kept, 0) if isinstance(kept, str) else _json(kept, content.max_bytes)
    replaced = safe.cut + _unsound(kept)
    if name in {names.INPUT_MESSAGES, names.OUTPUT_MESSAGES}:
        text, more = capped([{"role": role, "parts": [{"type": "text", "content": text}]}], content.max_bytes)
    else:
        text, more = _cut(text, content.max_bytes)
    found: Attributes = {name: text}
    if cut + more:
        found[names.CONTENT_CUT] = cut + more
    if replaced:
        found[names.REPLACED] = replaced
    return found


def _json(value: Any, max_bytes: int) -> tuple[str, int]:
    text, cut = capped([value], max_bytes)
    return text[1:-1], cut


def _cut(text: str, max_bytes: int) -> tuple[str, int]:
    whole = text.encode(errors="replace")
    return whole[:max_bytes].decode(errors="ignore"), max(0, len(whole) - max_bytes)


def _unsound(value: Any) -> int:
    """How many texts in a JSON value hold half a surrogate pair, which no exporter can encode."""
    if isinstance(value, str):
        return not value.isascii() and value.encode(errors="replace").decode() != value
    if isinstance(value, dict):
        return sum(_unsound(key) + _unsound(item) for key, item in value.items())
    return sum(map(_unsound, value)) if isinstance(value, list) else 0


def _type(value: Any) -> str:
    kind = type(value)
    sized = _SIZED.get(kind)
    return kind.__name__ if sized is None else f"{sized}[{len(value)}]"
