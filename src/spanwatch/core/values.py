"""Parsers of single settings: a raw value from code, environment or TOML in, the typed value out.

Each raises TypeError or ValueError without a text: the caller knows the setting, its origin and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_CONTENT_WORDS = {"span_only": True, "span_and_event": True, "no_content": False, "event_only": False}
_USER = re.compile(r"//[^/\s]*@")
_QUERY = re.compile(r"(://[^?\s]*)\?[^\s]*")


def text(raw: Any) -> str:
    """Words that are not blank."""
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError
    return raw.strip()


def path(raw: Any) -> str:
    """A path, as text or `pathlib` object."""
    return str(raw) if isinstance(raw, PurePath) else text(raw)


def url(raw: Any) -> str:
    """An http or https URL with a host."""
    address = text(raw)
    scheme, separator, rest = address.partition("://")
    if not separator or scheme.lower() not in {"http", "https"} or not rest.strip("/"):
        raise ValueError
    return address


def switch(raw: Any) -> bool:
    """A bool, or one of the usual words for it."""
    if isinstance(raw, bool):
        return raw
    word = text(raw).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def content(raw: Any) -> bool:
    """A switch, or a word of the convention; spanwatch has content on spans only, so `event_only` is off."""
    word = raw.strip().lower() if isinstance(raw, str) else None
    return _CONTENT_WORDS[word] if word in _CONTENT_WORDS else switch(raw)


def one_of(*choices: str) -> Callable[[Any], str]:
    """A parser of one word out of `choices`; a bool reads as on or off."""

    def parse(raw: Any) -> str:
        if raw is False and "off" in choices:
            return "off"
        word = "on" if raw is True else text(raw).lower()
        if word not in choices:
            raise ValueError
        return word

    return parse


def number(low: float, high: float) -> Callable[[Any], float]:
    """A parser of a number from `low` to `high`."""

    def parse(raw: Any) -> float:
        if isinstance(raw, bool):
            raise TypeError
        value = float(raw)
        if not low <= value <= high:
            raise ValueError
        return value

    return parse


def count(low: int, high: int) -> Callable[[Any], int]:
    """A parser of a whole number from `low` to `high`."""

    def parse(raw: Any) -> int:
        if isinstance(raw, (bool, float)):
            raise TypeError
        value = int(raw)
        if not low <= value <= high:
            raise ValueError
        return value

    return parse


def names(raw: Any) -> tuple[str, ...]:
    """Names in a sequence or separated by commas; `none` is no name."""
    items = raw.split(",") if isinstance(raw, str) else list(raw)
    words = tuple(text(item) for item in items)
    return () if words == ("none",) else words


def secrets(raw: Any) -> tuple[str, ...]:
    """Secrets of 32 characters or more, in a sequence or separated by commas."""
    found = names(raw)
    if not found or any(len(secret) < 32 for secret in found):
        raise ValueError
    return found


def redactions(raw: Any) -> tuple[Any, ...]:
    """Regular expressions, one or several, a line each in text; in code also callables from text to text."""
    given = raw.splitlines() if isinstance(raw, str) else [raw] if callable(raw) else list(raw)
    found = tuple(each if callable(each) else text(each) for each in given if each != "")
    try:
        for each in found:
            if not callable(each):
                re.compile(each)
    except re.error:
        raise ValueError from None
    return found


def pairs(raw: Any) -> tuple[tuple[str, str], ...]:
    """Names and what they stand for: a mapping, pairs, or text such as `a=x, b=y`; keys in lower case."""
    if isinstance(raw, str):
        parts = [item.partition("=") for item in raw.split(",")]
        items: list[Any] = [(key, value) for key, _, value in parts]
    else:
        items = list(raw.items() if isinstance(raw, Mapping) else raw)
    return tuple((text(key).lower(), text(value)) for key, value in items)


def masked(raw: Any) -> Any:
    """The value as it may be shown: without the user, password and query of a URL."""
    return _QUERY.sub(r"\1?***", _USER.sub("//***@", raw)) if isinstance(raw, str) else raw
