"""HTML that is escaped where it is built: text is text until it is made an element."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from spanwatch.core.harmless import clean

_VOID = frozenset({"meta", "input", "br"})


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML already; only `tag`, `joined` and `verbatim` make it."""

    text: str


Child = Markup | str | int | float | None


def tag(name: str, /, *children: Child | Iterable[Child], **attributes: str | float | None) -> Markup:
    """An element. Strings are escaped and made harmless, attributes that are None left out.

    `class_` is written `class`, and `_` in a name as `-`.
    """
    found = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Markup(f"<{name}{found}>")
    return Markup(f"<{name}{found}>{joined(*children).text}</{name}>")


def joined(*children: Child | Iterable[Child]) -> Markup:
    """Elements and text one after the other."""
    return Markup("".join(_written(child) for child in children))


def verbatim(text: str) -> Markup:
    """What is HTML already: files of this package, and what a serialiser wrote. Never text from outside."""
    return Markup(text)


def _written(child: Child | Iterable[Child]) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child.text
    if isinstance(child, str | int | float):
        return html.escape(clean(child))
    return "".join(_written(each) for each in child)


def _attribute(key: str, value: str | float) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f' {name}="{html.escape(clean(value))}"'
