"""Model names as they occur, reduced to the names under which prices are filed.

`targets` only takes route words off (a provider, a region, a resource path); it never guesses a shorter model name,
so a new sibling of a known model stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from spanwatch.core.providers import ROUTERS, first_party, price_id

MAX_NAME = 256  # longer names are nobody's model; this bounds memory and matching time

_RESOURCE = re.compile(
    r"^(?:projects/[^/]+/)?(?:locations/[^/]+/)?(?:publishers/[^/]+/)?(?:accounts/[^/]+/)?(?:tuned)?models/"
    r"|^(?:projects/[^/]+/)?(?:locations/[^/]+/)?publishers/[^/]+/models/"
)
_AWS_REGION = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-\d/")
_BEDROCK_ROUTE = re.compile(r"^(?:converse|invoke|converse_like|mantle)/")
_VERTEX_ALIAS = re.compile(r"@(?:default|latest)$")
# OpenRouter's variants that change the route or the speed, not the model.
_OPENROUTER_ROUTE = re.compile(r":(?:nitro|floor|exacto|online)$")
_WORD = re.compile(r"[-@:._/\s]+")
_VERSION_WORD = re.compile(r"v?\d[\dkm]*[a-z]?")
_NEUTRAL_WORDS = frozenset(
    {"", "latest", "preview", "exp", "experimental", "beta", "thinking", "customtools", "default"}
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to look a model up: a provider's price id and names to try in this order."""

    provider: str
    names: tuple[str, ...]
    assumed: bool = False  # the provider is inferred from the model's name
    rerouted: bool = False  # the name asks for a route whose surcharge is not known


def targets(provider: str | None, model: str, sellers: Container[str]) -> Iterator[Target]:
    """Where the price of `model` at `provider` may be found, best first. `sellers` are the providers with prices.

    A router (`litellm`, ...) names the provider in the model: `litellm` + `groq/llama` is groq's `llama`. Where no
    listed provider is named, only the sole maker of a model family may be assumed.
    """
    name, seller = model.strip().lower(), price_id(provider) or ""
    head, _, tail = name.partition("/")
    named = price_id(head) or ""
    if seller in ROUTERS and tail and named in sellers:
        seller, name = named, tail
    yield _at(seller, name)
    if seller in sellers and seller not in ROUTERS:
        return
    while tail and (named in sellers or head in ROUTERS):
        name = tail
        head, _, tail = name.partition("/")
        named = price_id(head) or ""
    if maker := first_party(name):
        yield Target(maker, _names(maker, name), assumed=True)


def _at(seller: str, name: str) -> Target:
    names = _names(seller, name)
    if seller == "openrouter" and (match := _OPENROUTER_ROUTE.search(name)):
        plain = tuple(n.removesuffix(match.group()) for n in names)
        return Target(seller, tuple(dict.fromkeys((*names, *plain))), rerouted=True)
    return Target(seller, names)


def _names(seller: str, name: str) -> tuple[str, ...]:
    """The name and what remains of it as route words come off, most literal first."""
    found = [name]
    rest = name.strip("/")
    if rest.startswith("arn:"):
        rest = rest.rpartition("/")[2] or rest
    for _ in range(4):
        shorter = _VERTEX_ALIAS.sub("", _strip_once(seller, rest))
        if shorter == rest:
            break
        rest = shorter
        found.append(rest)
    found.append(rest)
    return tuple(dict.fromkeys(n for n in found if n))


def _strip_once(seller: str, name: str) -> str:
    shorter = _RESOURCE.sub("", name, count=1)
    if seller == "aws":
        shorter = _AWS_REGION.sub("", _BEDROCK_ROUTE.sub("", shorter, count=1), count=1)
    head, slash, tail = shorter.partition("/")
    if slash and (price_id(head) == seller or head == seller):
        return tail
    return shorter


def is_version(suffix: str) -> bool:
    """Whether what follows a model's name only says which build of it: dates, versions, `latest`, `preview`."""
    return all(word in _NEUTRAL_WORDS or _VERSION_WORD.fullmatch(word) for word in _WORD.split(suffix))
