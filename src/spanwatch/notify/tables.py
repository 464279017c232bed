"""Notifiers out of `[[notify]]` tables of spanwatch.toml: `type = "slack"` and its arguments, secrets by name only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spanwatch.core.errors import ConfigurationError
from spanwatch.notify.log import Console, Log
from spanwatch.notify.routing import Notifier, Route, to

TYPES: dict[str, Callable[..., Notifier]] = {"log": Log, "console": Console}
_OF_ROUTE = ("name", "severities", "group_by", "repeat")


def from_table(table: Mapping[str, Any]) -> Route:
    """The route that a table declares.

    Raises:
        ConfigurationError: it declares none; names the type and what is wrong.
    """
    given = dict(table)
    kind = given.pop("type", None)
    if kind not in TYPES:
        raise ConfigurationError(f"[[notify]] has type {kind!r}; the types are {', '.join(sorted(TYPES))}")
    route = {key: given.pop(key) for key in _OF_ROUTE if key in given}
    try:
        return to(TYPES[kind](**given), **route)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"[[notify]] of type {kind!r}: {error}") from None
