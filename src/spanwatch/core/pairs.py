"""Attributes as pairs of a JSON object, for those that leave as they are; what was just said is remembered.

Most texts of a span are those of the span before: the names of agents, tools and models, and their types. What looks
like a secret is not remembered; what only the application's own rules call one is, in memory, and the caller asks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

from spanwatch.core.records import quote
from spanwatch.core.redact import are_plain, redact
from spanwatch.core.secret_shapes import may_hold

SHORT, LONG = 1_024, 16_384  # characters: of a text that is remembered, and of one that is not for the sanitiser
_INT64 = 1 << 63


class NotPlain(Exception):  # noqa: N818 (no error: an answer)
    """An attribute has to be cleaned, cut or hidden first."""


def pairs(attributes: Mapping[str, Any]) -> str:
    """What stands between the braces of a JSON object in ASCII: `"name":value,"name":value`.

    Raises:
        NotPlain: a value is no text, number, bool or tuple of texts, or not fit to leave as it is.
        TypeError: a name cannot be hashed.
    """
    return ",".join(
        [
            text(name, value) if type(value) is str and len(value) <= SHORT else _other(name, value)
            for name, value in attributes.items()
        ]
    )


@lru_cache(1_024)
def text(name: str, value: str) -> str:
    """One pair of a name and a text. Raises as `pairs` does."""
    return _key(name) + _quoted(value)


def _other(name: str, value: Any) -> str:
    kind = type(value)
    if kind is str and len(value) <= LONG:
        return _key(name) + _said(value)
    if kind is int and -_INT64 <= value < _INT64:
        return f"{_key(name)}{value}"
    if kind is bool:
        return _key(name) + ("true" if value else "false")
    if kind is float and isfinite(value):
        return f"{_key(name)}{value!r}"
    if kind is tuple and all(type(item) is str for item in value):
        return f"{_key(name)}[{','.join(map(_listed, value))}]"
    raise NotPlain


@lru_cache(1_024)
def _key(name: str) -> str:
    if type(name) is not str or not are_plain((name,)):
        raise NotPlain
    return f"{_quoted(name)}:"


def _quoted(value: str) -> str:
    if type(value) is not str or len(value) > SHORT:
        raise NotPlain
    return _said(value)


def _said(value: str) -> str:
    if (may_hold(value) or not value.isascii()) and redact(value) != value:  # lone surrogates are mended there too
        raise NotPlain
    return quote(value)


_listed = lru_cache(256)(_quoted)
