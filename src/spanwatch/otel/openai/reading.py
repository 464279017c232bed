"""Reading answers that may lack anything: SDK objects built without validation, or the JSON they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NOTHING: Mapping[str, Any] = {}


def values(source: Any) -> Mapping[str, Any]:
    """The declared fields of a model object, or the mapping itself; nothing for anything else."""
    if isinstance(source, dict):
        return source
    if hasattr(source, "__pydantic_extra__"):  # asked before the dear question whether it is a mapping
        fields: Mapping[str, Any] = vars(source)
        return fields
    return source if isinstance(source, Mapping) else getattr(source, "__dict__", _NOTHING)


def get(source: Any, name: str) -> Any:
    """One field, declared or not, of a model object or mapping; None when it is not there."""
    found = values(source).get(name)
    if found is None and source is not None:
        extra = getattr(source, "__pydantic_extra__", None)
        return extra.get(name) if extra else None
    return found


def text(value: Any) -> str | None:
    """A string that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def count(value: Any) -> int | None:
    """A number of tokens, or None for anything that cannot be one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value >= 0 and value == value // 1 else None


def sequence(value: Any) -> Sequence[Any]:
    """A list or tuple, else nothing; a string is no sequence here."""
    return value if isinstance(value, (list, tuple)) else ()
