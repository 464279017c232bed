"""What may leave the process: text without its secrets, of a bounded size. Pure, and linear in what is looked at.

A text is cut before any pattern runs. What is found becomes `[redacted]`: an API key, token or private key by its
shape, a password by its place in a URL, any value by the name that stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from spanwatch.core.sanitise import MAX_TEXT, Sanitiser
from spanwatch.core.secret_shapes import CUT, REDACTED, secrets, sort_of

MAX_REDACTED = 65_536  # characters of one text that are looked at by default
MAX_REDACTED_RECORD = 131_072  # characters of all texts of one structure
_PASSES = 4  # what stood side by side may look like a secret once its neighbour is gone
_AHEAD = 512  # characters after the cut that are looked at too: a secret on the edge is still known by its shape

_SHORT = re.compile(r"[\w .,-]{0,14}")  # no secret is as short and as plain: what most names and values are
_LONE = re.compile("[\ud800-\udfff]")


def redact(text: str, limit: int = MAX_REDACTED) -> str:
    """A text without its secrets and lone surrogates, at most `limit` characters long.

    A text that is cut ends with how long it was, where the limit has room for that.
    """
    whole = len(text)
    if whole <= limit and _SHORT.fullmatch(text):
        return text
    found, before = _without(text[: limit + _AHEAD], limit), text
    for _ in range(_PASSES):
        if found == before or REDACTED not in found:
            break
        found, before = _without(found, limit), found
    if not found.isascii():
        found = _LONE.sub("\N{REPLACEMENT CHARACTER}", found)
    return found if whole <= limit and len(found) <= limit else _ended(found, limit, whole)


class Redactor(Sanitiser):
    """Cleans the structures of one record: bounded JSON without secrets. `removed` counts the bytes cut off."""

    __slots__ = ("_limit", "removed")

    def __init__(self, limit: int = MAX_REDACTED, record: int = MAX_REDACTED_RECORD) -> None:
        super().__init__()
        self._limit, self._room, self.removed = min(limit, MAX_TEXT), record, 0

    def clean(self, value: Any) -> Any:
        """Any value as JSON that may leave: values that go by a secret's name are replaced whole."""
        return _hidden(self.value(value))

    def _text(self, text: str) -> str:
        limit = min(self._limit, max(self._room, 0))
        if len(text) > limit:
            self.cut += 1
            self.removed += len(text) - limit if text.isascii() else len(text[limit:].encode(errors="replace"))
        found = redact(text, limit)
        self._room -= len(found)
        return found


def _without(window: str, limit: int) -> str:
    """The window's first `limit` characters with each secret that begins there replaced."""
    pieces: list[str] = []
    at = 0
    for start, end in _merged(secrets(window)):
        if start >= limit:
            break
        pieces += [window[at:start], REDACTED]
        at = end
    pieces.append(window[at : max(at, limit)])
    return "".join(pieces)


def _merged(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    open_start, open_end = -1, -1
    for start, end in sorted(spans):
        if start > open_end:
            if open_end >= 0:
                yield open_start, open_end
            open_start, open_end = start, end
        else:
            open_end = max(open_end, end)
    if open_end >= 0:
        yield open_start, open_end


def _hidden(value: Any) -> Any:
    """A JSON value with everything under a secret's name replaced; numbers under `token` count tokens and stay."""
    if type(value) is dict:
        return {_plain_key(key): _judged(key, item) for key, item in value.items()}
    if type(value) is list:
        return [_hidden(item) for item in value]
    return value


def _judged(key: str, item: Any) -> Any:
    sort = sort_of(key)
    if sort is None or item is None or type(item) is bool or (sort == "token" and type(item) in {int, float}):
        return _hidden(item)
    return REDACTED


def _plain_key(key: str) -> str:
    return redact(key, 1_024)


def _ended(text: str, limit: int, whole: int) -> str:
    mark = f"{CUT}{whole} characters]"
    room = limit - len(mark)
    if room <= 0:
        return text[:limit]
    split = text.find(REDACTED, max(0, room - len(REDACTED) + 1), room + len(REDACTED) - 1)
    return text[: room if split < 0 else min(room, split)] + mark
