"""The circumstances of a call that move its price: service tier, batch, speed, region.

A value that means the standard price is dropped here; whatever is left must be known to the prices, or the cost is
only approximate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from spanwatch.core.money import NANO_PER_USD
from spanwatch.core.providers import EXCLUSIVE_SCOPES, price_id, region_of

Item = tuple[str, str]

_STANDARD: dict[str, frozenset[str]] = {
    "service_tier": frozenset({"default", "auto", "standard", "standard_only", "on_demand", "on-demand", "none"}),
    "processing": frozenset({"standard", "default", "online", "sync", "synchronous", "interactive", "realtime"}),
    "speed": frozenset({"standard", "default", "normal", "none"}),
    "geo": frozenset({"global", "not_available", "default", "none"}),
}
_KEYS = {
    "tier": "service_tier",
    "inference_geo": "geo",
    "region": "geo",
    "location": "geo",
    "data_residency": "geo",
    "mode": "processing",
}
# Said about a call, but no matter of price.
_IGNORED = frozenset({"convention", "scope", "stream", "operation", "server_address", "server_port", "api", "usage"})
_OWN_KEYS = frozenset({"convention", "usage", "duration_s", "aliases", "discount", "stated_usd"})
NOTHING: tuple[Item, ...] = ()
Aliases = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What moves the price of a call besides its model, its usage and its time.

    `exclusive`: True, the counts leave cached tokens out of `input_tokens`; False, they never do; None, whatever the
    numbers prove. `aliases` are pairs of a deployment and the `provider/model` or model that it stands for.
    """

    items: tuple[Item, ...] = NOTHING
    exclusive: bool | None = None
    duration_s: Fraction | None = None
    aliases: Aliases = ()
    discount: Fraction | None = None  # what is paid of the list price
    stated_nano: int | None = None  # what the provider itself says the call cost
    estimated: bool = False  # the counts were guessed


def terms_of(context: Mapping[str, Any]) -> Terms:
    """The terms that a user's context states.

    Keys with a meaning of their own: `convention` (`inclusive` or `exclusive...`), `usage` (`reported` or
    `estimated`), `duration_s`, `aliases`, `discount`, `stated_usd`. All others select a price: `service_tier`,
    `processing`, `speed`, `geo`, ...

    Raises:
        TypeError: the context is no mapping, or a value has the wrong type.
        ValueError: a value is out of bounds.
    """
    rest = {key: value for key, value in mapping(context).items() if key not in _OWN_KEYS}
    for key, value in rest.items():
        if not isinstance(key, str) or not isinstance(value, str | int | float | None):
            raise TypeError(f"context {key!r} must be a text, a number or a boolean, not {type(value).__name__}")
    stated = _number(context, "stated_usd", 0, None)
    return Terms(
        items=items_of(rest.items()),
        exclusive=_exclusive(context.get("convention")),
        estimated=_estimated(context.get("usage")),
        duration_s=_number(context, "duration_s", 0, None),
        aliases=_aliases(context.get("aliases")),
        discount=_number(context, "discount", 0, 10),
        stated_nano=None if stated is None else round(stated * NANO_PER_USD),
    )


def mapping(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """The context, provided that it is a mapping; else a TypeError."""
    if not isinstance(context, Mapping):
        raise TypeError(f"context must be a mapping such as {{'service_tier': 'flex'}}, not {type(context).__name__}")
    return context


def call_terms(context: Iterable[tuple[str, Any]], host: str | None, scope: str, provider: str | None) -> Terms:
    """The terms of a call: its context, the region that its host states, the habits of who reported it."""
    stated = dict(context)
    stated.setdefault("geo", region_of(host))
    exclusive = _exclusive(stated.get("convention"))
    if exclusive is None and (scope.partition(".")[0], price_id(provider)) in EXCLUSIVE_SCOPES:
        exclusive = True
    return Terms(items=items_of(stated.items()), exclusive=exclusive, estimated=_estimated(stated.get("usage")))


def _exclusive(convention: object) -> bool | None:
    """What a stated convention says, or None. `exclusive_detectable` leaves it to the numbers."""
    if convention is None:
        return None
    if not isinstance(convention, str):
        raise TypeError(f"context 'convention' must be a text, not {type(convention).__name__}")
    if convention == "exclusive_detectable":
        return None
    if convention not in {"exclusive", "inclusive"} and not convention.startswith("exclusive"):
        raise ValueError(f"context 'convention' must be 'inclusive' or 'exclusive', not {convention!r}")
    return convention != "inclusive"


def _estimated(usage: object) -> bool:
    """Whether the stated origin of the counts is a guess."""
    if usage not in (None, "reported", "estimated"):
        raise ValueError(f"context 'usage' must be 'reported' or 'estimated', not {usage!r}")
    return usage == "estimated"


def _number(context: Mapping[str, Any], key: str, least: int, most: int | None) -> Fraction | None:
    value = context.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal | Fraction):
        raise TypeError(f"context {key!r} must be a number, not {type(value).__name__}")
    try:
        number = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"context {key!r} must be a number, not {value!r}") from None
    if number < least or (most is not None and number > most):
        raise ValueError(
            f"context {key!r} must be {least} or more{f' and at most {most}' if most else ''}, not {value!r}"
        )
    return number


def _aliases(raw: object) -> Aliases:
    if raw is None:
        return ()
    if not isinstance(raw, Mapping):
        raise TypeError(f"context 'aliases' must map deployments to models, not {type(raw).__name__}")
    found = {}
    for deployment, model in raw.items():
        stands_for = "/".join(model) if isinstance(model, tuple | list) else model
        if not isinstance(deployment, str) or not isinstance(stands_for, str):
            raise TypeError(f"context 'aliases' must map texts to texts such as 'openai/gpt-4o', not {model!r}")
        found[deployment.strip().lower()] = stands_for.strip().lower()
    return tuple(sorted(found.items()))


def items_of(context: Iterable[tuple[str, Any]]) -> tuple[Item, ...]:
    """The non-standard items of a context in canonical spelling, sorted; usable as a cache key."""
    found: dict[str, str] = {}
    for key, value in context:
        if value is None or value is False or value == "" or key in _IGNORED:
            continue
        if key == "batch":
            if str(value).lower() in {"true", "1", "batch"}:
                found["processing"] = "batch"
            continue
        name, text = _KEYS.get(key, key), str(value).strip().lower()
        if name == "service_tier" and text == "batch":
            name = "processing"
        if text not in _STANDARD.get(name, frozenset()):
            found[name] = text
    return tuple(sorted(found.items()))
