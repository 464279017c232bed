"""Budgets out of `[[budgets]]` tables of spanwatch.toml, and out of `5` or `5/1d` on a command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from spanwatch.core.budgets.declaration import Budget, distinct
from spanwatch.core.errors import ConfigurationError, UsageError
from spanwatch.core.names import CONFIG_FILE

RUN = "run"
_KEYS = tuple(field.name for field in fields(Budget) if field.init)
_TEXT = re.compile(
    r"(?:(?P<name>[^=/]+)=)?\$?(?P<limit>[\d._]+)\s*(?P<unit>usd|tokens)?\s*(?:/(?P<window>.+))?", re.IGNORECASE
)
_REMEDY = "give dollars, such as '5', dollars a window, '5/day' or '5/3600s', or tokens, '100000 tokens/day'"


def budgets_from(tables: Any, source: str = CONFIG_FILE) -> tuple[Budget, ...]:
    """The budgets that the value of `budgets` in `source` declares.

    Raises:
        ConfigurationError: it is no list of tables, or one of them declares no valid budget; names table and key.
    """
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise ConfigurationError(f"budgets in {source} must be tables: write [[budgets]] above each")
    try:
        return distinct(_budget(table, f"[[budgets]] number {n} in {source}") for n, table in enumerate(tables, 1))
    except ConfigurationError:
        raise
    except ValueError as error:
        raise ConfigurationError(f"{source}: {error}") from None


def _budget(table: Mapping[str, Any], place: str) -> Budget:
    for key in table:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(_KEYS)}"
            raise ConfigurationError(f"unknown key {key!r} in {place}; {hint}")
    if "name" not in table:
        raise ConfigurationError(f"{place} has no name: accounts are kept by it")
    try:
        return Budget(**table)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{place}: {error}") from None


def budget_from_text(text: str) -> Budget:
    """The budget of everything that `5`, `5/1d`, `name=5/calendar month` or `100000 tokens/day` stands for.

    Without a window it lasts for good; whoever runs one program under it takes a ledger or a name for that run alone.

    Raises:
        UsageError: it stands for none.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"no budget: {text!r}; {_REMEDY}")
    name, limit, window = (found["name"] or RUN).strip(), found["limit"].replace("_", ""), found["window"]
    try:
        if (found["unit"] or "usd").lower() == "tokens":
            return Budget(name, tokens=int(limit), window=(window or "lifetime").strip())
        return Budget(name, limit, window=(window or "lifetime").strip())
    except (TypeError, ValueError) as error:
        raise UsageError(f"{text!r}: {error}; {_REMEDY}") from None
