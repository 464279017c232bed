"""Foreign values as JSON values: bounded, finite, acyclic. Never raises, whatever an object's methods do."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from math import isfinite
from typing import Any

MAX_TEXT = 131_072  # characters of one string
MAX_RECORD = 1_048_576  # characters of all strings of one record
MAX_DEPTH = 16
MAX_ITEMS = 4_096  # values of one record
_INT64 = 1 << 63
_SHORT = 1_024
BYTES = "$bytes"  # bytes are kept as {"$bytes": base64}


def plain(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """A mapping as a dict of its own, by its `copy` where it has one: reading an SDK mapping key by key is slow."""
    try:
        return source.copy()  # type: ignore[attr-defined,no-any-return]  # asked for by trying: it is nearly always there
    except AttributeError:
        return dict(source)


class Sanitiser:
    """Cleans the values of one record; `cut` counts those that were shortened or replaced."""

    __slots__ = ("_items", "_room", "cut")

    def __init__(self) -> None:
        self.cut = 0
        self._room = MAX_RECORD
        self._items = MAX_ITEMS

    def attributes(self, source: Mapping[str, Any] | None) -> dict[str, Any]:
        """A mapping with text keys, as span and log attributes are."""
        if not source:
            return {}
        copied = plain(source)
        found = copied if type(copied) is dict else dict(copied)
        room, sound = self._room, len(found) <= MAX_ITEMS
        for key, value in found.items():
            kind = type(value)
            if kind is str and len(value) <= _SHORT:
                room -= len(value)
            elif not (kind is bool or (kind is int and -_INT64 <= value < _INT64)):
                found[key] = self.value(value)  # the keys stay: only values change while iterating
            if type(key) is not str or len(key) > _SHORT:
                sound = False
        self._room = min(room, self._room)
        return found if sound and self._room >= 0 else self._bounded(found)

    def value(self, value: Any, depth: int = 0) -> Any:
        """Any value as JSON: strings cut, NaN and huge integers as text, bytes as base64, deep structure cut."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -_INT64 <= value < _INT64 else self._number(value)
        if kind is float:
            return value if isfinite(value) else str(value)
        if kind is str:
            return self._text(value)
        try:
            return self._compound(value, depth)
        except Exception:  # noqa: BLE001 (the methods of a foreign object may raise anything)
            self.cut += 1
            return f"<{kind.__name__}>"

    def _compound(self, value: Any, depth: int) -> Any:
        self._items -= 1
        if depth >= MAX_DEPTH or self._items < 0:
            self.cut += 1
            return "..."
        if type(value) is tuple and all(type(item) is str for item in value) and len(value) <= _SHORT:
            return [self._text(item) for item in value]
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {BYTES: self._text(b64encode(bytes(value[:MAX_TEXT])).decode("ascii"))}
        if isinstance(value, Mapping):
            return {self._key(key): self._item(item, depth) for key, item in _first(value.items(), self)}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._item(item, depth) for item in _first(value, self)]
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, (bool, int, float)):
            return self.value(float(value) if isinstance(value, float) else int(value), depth)
        return self._text(str(value))

    def _item(self, value: Any, depth: int) -> Any:
        self._items -= 1
        return self.value(value, depth + 1)

    def _key(self, key: Any) -> str:
        if type(key) is str:
            return key if len(key) <= _SHORT else str(self._text(key))[:_SHORT]
        try:
            return self._text(str(key))
        except Exception:  # noqa: BLE001 (the methods of a foreign object may raise anything)
            self.cut += 1
            return f"<{type(key).__name__}>"

    def _text(self, text: str) -> str:
        room = min(MAX_TEXT, max(self._room, 0))
        if len(text) > room:
            self.cut += 1
            text = text[:room]
        self._room -= len(text)
        return text

    def _number(self, value: int) -> str:
        if value.bit_length() <= 1024:
            return str(value)
        self.cut += 1
        return f"<int of {value.bit_length()} bits>"

    def _bounded(self, found: dict[str, Any]) -> dict[str, Any]:
        """The slow path of a record with too many attributes or too much text in short ones."""
        self._room = MAX_RECORD
        return {self._key(key): self.value(value) for key, value in _first(found.items(), self)}


def _first(items: Any, sanitiser: Sanitiser) -> list[Any]:
    """At most MAX_ITEMS items, counted when more are left out."""
    found: list[Any] = []
    for item in items:
        if len(found) >= MAX_ITEMS:
            sanitiser.cut += 1
            break
        found.append(item)
    return found
