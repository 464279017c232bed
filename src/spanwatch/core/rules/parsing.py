"""Rules out of `[[rules]]` tables of spanwatch.toml."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.names import CONFIG_FILE
from spanwatch.core.rules import making
from spanwatch.core.rules.declaration import Rule, distinct
from spanwatch.core.rules.defaults import defaults

SHIPPED = "default"
_MAKERS: dict[str, Callable[..., Rule | tuple[Rule, ...]]] = {
    "error_rate": making.error_rate,
    "latency": making.latency,
    "spend": making.spend,
    "budget": making.budget,
    "feedback": making.feedback,
    "unpriced_share": making.unpriced_share,
    "telemetry_loss": making.telemetry_loss,
    "burn_rate": making.burn_rate,
    "defaults": defaults,
}
_CODE_ONLY = frozenset({"when", "check", "budget", "on_fire", "on_resolve"})
_KEYS = tuple(field.name for field in fields(Rule) if field.init and field.name not in _CODE_ONLY)


def rules_from(given: Any, source: str = CONFIG_FILE) -> tuple[Rule, ...]:
    """The rules that the value of `rules` in `source` declares: tables, or the word `default`.

    A table has a rule's own keys (`for` may be written without its underscore), or the name of a maker with its
    arguments: `error_rate = {above = 0.1}`.

    Raises:
        ConfigurationError: it is no list of tables, or one of them declares no valid rule; names table and key.
    """
    if given == SHIPPED:
        return defaults()
    if not isinstance(given, list) or not all(isinstance(table, Mapping) for table in given):
        raise ConfigurationError(f"rules in {source} must be tables, or the word 'default': write [[rules]] above each")
    found: list[Rule] = []
    for number, table in enumerate(given, 1):
        found += _rules(table, f"[[rules]] number {number} in {source}")
    return distinct(found)


def _rules(table: Mapping[str, Any], place: str) -> tuple[Rule, ...]:
    known = {("for_" if key == "for" else key): value for key, value in table.items()}
    made = [key for key in known if key in _MAKERS]
    for key in known:
        if key not in _KEYS and key not in made:
            close = difflib.get_close_matches(key, [*_KEYS, *_MAKERS], n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(_KEYS)}"
            raise ConfigurationError(f"unknown key {key!r} in {place}; {hint}")
    try:
        result = _made(made, known) if made else _declared(known)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{place}: {error}") from None
    return result if isinstance(result, tuple) else (result,)


def _declared(known: dict[str, Any]) -> Rule:
    if "name" not in known:
        raise ConfigurationError("it has no name: alerts are known by it")
    return Rule(**known)


def _made(made: list[str], known: dict[str, Any]) -> Rule | tuple[Rule, ...]:
    arguments = known.pop(made[0])
    if len(made) > 1 or not isinstance(arguments, Mapping):
        raise ConfigurationError(f"write one maker with its arguments: {made[0]} = {{...}}")
    return _MAKERS[made[0]](**{**arguments, **known})
