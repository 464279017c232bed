"""Scopes: whose money a call spends. The text of a scope is `user.id=u-1,tags.team=search`, empty for everything.

A call that lacks an attribute of `per` has the scope `user.id=?`: all such calls share one account. Skipping them
instead would let every call through that somebody forgot to attribute; the error then says which attribute is missing.
A real value of `?` is written `%3F`, so that nobody can spend from that account by taking its name.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from spanwatch.core import names
from spanwatch.core.prometheus import label_name

MISSING = "?"
MAX_CHARS = 256  # of one value: longer ones keep their beginning and a digest

ALIASES: dict[str, str] = {
    "user": names.USER_ID,
    "conversation": names.CONVERSATION_ID,
    "agent": names.AGENT_NAME,
    "model": names.REQUEST_MODEL,
    "provider": names.PROVIDER_NAME,
    "service": names.SERVICE_NAME,
}
ATTRIBUTES: frozenset[str] = frozenset(ALIASES.values())
TAG = "tags."
Condition = tuple[str, tuple[str, ...]]
_USER = frozenset({names.USER_ID, label_name(names.USER_ID)})


def attribute(name: object) -> str:
    """The full name of an attribute that scopes and matches may use.

    Raises:
        TypeError: it is no text.
        ValueError: there is no such attribute.
    """
    if not isinstance(name, str):
        raise TypeError(f"an attribute's name must be text, not {type(name).__name__}")
    if name in ATTRIBUTES or (name.startswith(TAG) and len(name) > len(TAG) and name.isprintable()):
        return name
    if name in ALIASES:
        return ALIASES[name]
    close = difflib.get_close_matches(name, [*ATTRIBUTES, *ALIASES], n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(ATTRIBUTES))}"
    raise ValueError(f"unknown attribute {name!r}; {hint} (tags of your own are 'tags.NAME')")


def scope_of(per: Iterable[str], attributes: Mapping[str, Any]) -> str:
    """The scope of a call with these attributes."""
    return ",".join([f"{_quoted(name)}={_value(attributes.get(name))}" for name in per])


def concerns(user: str, labels: Iterable[tuple[str, str]]) -> bool:
    """Whether labels name a user, by the id, as OpenTelemetry or Prometheus spells it, or by a budget's account."""
    account = scope_of((names.USER_ID,), {names.USER_ID: user})
    return any((key in _USER and value == user) or account in value.split(",") for key, value in labels)


def scope_from(text: str) -> str:
    """A scope as a person writes it (`user=u-1`, `user.id=u-1,tags.team=a`) as its canonical text.

    Raises:
        ValueError: a part is no `attribute=value`, or there is no such attribute.
    """
    parts = [part.partition("=") for part in text.split(",")] if text else []
    for name, equals, _ in parts:
        if not equals:
            raise ValueError(f"scope {text!r}: {name!r} is no attribute=value, such as 'user.id=u-1'")
    pairs = [
        (attribute(name.strip()), value if value == MISSING or "%" in value else _value(value))
        for name, _, value in parts
    ]
    return ",".join(f"{_quoted(name)}={value}" for name, value in pairs)


def _value(value: Any) -> str:
    text = "" if value is None else str(value)
    if not text:
        return MISSING
    if len(text) > MAX_CHARS:
        text = f"{text[:MAX_CHARS]}~{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return _quoted(text)


def _quoted(text: str) -> str:
    return quote(text, safe="@:/+ ", errors="surrogatepass")


def conditions_of(match: Mapping[str, str | Sequence[str]]) -> tuple[Condition, ...]:
    """The conditions of a budget: attribute → pattern, or several of which one must fit (`*` and `?` as in file names).

    Raises:
        TypeError: it is no mapping, or an attribute has no pattern or one that is no text.
        ValueError: there is no such attribute.
    """
    if not isinstance(match, Mapping):
        raise TypeError(f"match must map attributes to patterns, such as {{'model': 'gpt-*'}}, not {match!r}")
    found = []
    for name, patterns in match.items():
        given = (patterns,) if isinstance(patterns, str) else patterns
        several = tuple(given) if isinstance(given, Iterable) else ()
        if not several or not all(isinstance(pattern, str) and pattern for pattern in several):
            raise TypeError(f"match[{name!r}] must be a pattern or several, not {patterns!r}")
        found.append((attribute(name), several))
    return tuple(found)


def matches(conditions: Iterable[Condition], attributes: Mapping[str, Any]) -> bool:
    """Whether a call with these attributes is the budget's; one that lacks an attribute is not."""
    return all(
        (value := attributes.get(name)) is not None and any(fnmatchcase(str(value), pattern) for pattern in patterns)
        for name, patterns in conditions
    )
