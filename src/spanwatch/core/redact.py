"""What may leave the process: text without its secrets, of a bounded size. Pure, and linear in what is looked at.

A text is cut before any pattern runs. What is found becomes `[redacted]`: an API key, token or private key by its
shape, a password by its place in a URL, any value by the name that stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from spanwatch.core.sanitise import MAX_TEXT, Sanitiser, plain
from spanwatch.core.secret_shapes import CUT, REDACTED, may_hold, named, secrets, shaped, sort_of

MAX_REDACTED = 65_536  # characters of one text that are looked at by default
MAX_REDACTED_RECORD = 131_072  # characters of all texts of one structure
_PASSES = 4  # what stood side by side may look like a secret once its neighbour is gone
_CROWD = 128  # places that may be looked at; of a text with more only a part is kept: nobody writes so many secrets
_AHEAD = 512  # characters after the cut that are looked at too: a secret on the edge is still known by its shape

_SHORT = re.compile(r"[\w .,-]{0,14}")  # no secret is as short and as plain: what most names and values are
_QUICK = 4_096  # characters; in a longer text the search itself is as quick as asking whether it is worth it
_LONE, _MANY = re.compile("[\ud800-\udfff]"), 4_096


@dataclass(frozen=True, slots=True)
class Rules:
    """What an application calls secret, beside what everyone does.

    Attributes:
        patterns: What they match is replaced.
        replace: Called with every text, the secrets of the others removed; what it returns leaves in its place.
    """

    patterns: tuple[re.Pattern[str], ...] = ()
    replace: tuple[Callable[[str], str], ...] = ()

    def may_hold(self, text: str) -> bool:
        """Whether a text may have a secret; False is certain."""
        return bool(self.replace) or may_hold(text) or any(pattern.search(text) for pattern in self.patterns)

    def apply(self, text: str) -> str:
        """A text without what the application calls secret; all of it goes when its callable fails."""
        for pattern in self.patterns:
            text = pattern.sub(REDACTED, text)
        for replace in self.replace:
            try:
                text = replace(text)
            except Exception:  # noqa: BLE001 (the host's: what it would have hidden must not leave)
                return REDACTED
            if type(text) is not str:
                return REDACTED
        return text


NO_RULES = Rules()


def rules_from(given: Sequence[str | Callable[[str], str]]) -> Rules:
    """Rules of patterns, in Python's syntax, and callables.

    Raises:
        re.error: a pattern is none; the settings refuse such ones.
    """
    if not given:
        return NO_RULES
    patterns = tuple(re.compile(each) for each in given if isinstance(each, str))
    return Rules(patterns, tuple(each for each in given if not isinstance(each, str)))


def redact(text: str, limit: int = MAX_REDACTED, rules: Rules = NO_RULES) -> str:
    """A text without its secrets and lone surrogates, at most `limit` characters long.

    A text that is cut ends with how long it was, where the limit has room for that.
    """
    whole = len(text)
    if whole <= limit and rules is NO_RULES and _SHORT.fullmatch(text):
        return text
    window = text[: limit + _AHEAD]
    before = window[:limit]
    found, crowded = _without(window, limit) if whole > _QUICK or may_hold(window) else (before, False)
    for _ in range(_PASSES):
        if found == before or REDACTED not in found:
            break
        before = found
        found, more = _without(found, limit)
        crowded = crowded or more
    if rules is not NO_RULES:
        found = rules.apply(found)
    if not found.isascii():
        found = _whole(found)
    return found if max(whole, len(found)) <= limit and not crowded else _ended(found, limit, whole)


class Redactor(Sanitiser):
    """Cleans the structures of one record: bounded JSON without secrets. `removed` counts the bytes cut off."""

    __slots__ = ("_limit", "_rules", "removed")

    def __init__(self, limit: int = MAX_REDACTED, record: int = MAX_REDACTED_RECORD, rules: Rules = NO_RULES) -> None:
        super().__init__()
        self._limit, self._room, self.removed, self._rules = min(limit, MAX_TEXT), record, 0, rules

    def clean(self, value: Any) -> Any:
        """Any value as JSON that may leave: values that go by a secret's name are replaced whole."""
        return _hidden(self.value(value))

    def attributes(self, source: Mapping[str, Any] | None) -> dict[str, Any]:
        """A mapping with text keys, as span and log attributes are."""
        if not source:
            return {}
        try:
            cleaned = self.clean(dict(plain(source)))
        except Exception:  # noqa: BLE001 (a foreign mapping may raise anything)
            self.cut += 1
            return {}
        return cleaned if type(cleaned) is dict else {}

    def _text(self, text: str) -> str:
        limit = min(self._limit, max(self._room, 0))
        if len(text) > limit:
            self.cut += 1
            self.removed += len(text) - limit if text.isascii() else len(text[limit:].encode(errors="replace"))
        found = redact(text, limit, self._rules)
        if not text.isascii() and _LONE.search(text[:limit]):
            self.cut += 1
        self._room -= len(found)
        return found


@lru_cache(1024)
def are_plain(names: tuple[str, ...]) -> bool:
    """Whether no name is that of a secret, or has one in it."""
    return all(sort_of(name) is None and not any(True for _ in secrets(name)) for name in names)


def without_secrets(body: dict[str, Any], rules: Rules = NO_RULES) -> dict[str, Any]:
    """A record of our own, of known names: its texts without what looks like a secret."""
    texts = [value for value in body.values() if type(value) is str]
    texts += [item for value in body.values() if type(value) is tuple for item in value if type(item) is str]
    if not rules.may_hold("\n".join(texts)):
        return body
    return {name: _only_shapes(value, rules) for name, value in body.items()}


def _only_shapes(value: Any, rules: Rules) -> Any:
    if type(value) is str:
        return redact(value, MAX_REDACTED, rules)
    if type(value) in {list, tuple}:
        return [_only_shapes(item, rules) for item in value]
    return value


def _whole(text: str) -> str:
    """A text without lone surrogates; of very many, those behind the first ones become question marks."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _mended(text)
    return text


def _mended(text: str) -> str:
    found, count = _LONE.subn("\N{REPLACEMENT CHARACTER}", text, _MANY)
    return found if count < _MANY else found.encode("utf-8", "replace").decode("utf-8")


def _without(window: str, limit: int) -> tuple[str, bool]:
    """The window's first `limit` characters with each secret that begins there replaced; whether they are fewer.

    That is so where too many places have to be looked at.
    """
    whole = limit
    while len(spans := _first(shaped(window), limit)) > _CROWD:
        limit = min(limit // 2, spans[-1][0])
        window = window[: limit + _AHEAD]
    spans += _first(named(window), limit)
    del spans[_CROWD + 1 :]  # those behind names come in order, so that what goes is what is behind the cut
    if len(spans) > _CROWD:
        limit = min(limit, spans.pop()[0])
    pieces: list[str] = []
    at = 0
    for start, end in _merged(span for span in spans if span[0] < span[1]):
        if start >= limit:  # behind where the names were too many
            break
        pieces += [window[at:start], REDACTED]
        at = end
    pieces.append(window[at : max(at, limit)])
    return "".join(pieces), limit < whole


def _first(spans: Iterable[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """Those that begin before `limit`, one more than may be at most."""
    return list(islice((span for span in spans if span[0] < limit), _CROWD + 1))


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
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
