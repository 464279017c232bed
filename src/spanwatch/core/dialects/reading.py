"""The registry: which dialects a span speaks, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from spanwatch.core import names
from spanwatch.core.call import USAGE_FIELDS
from spanwatch.core.dialects import conventions, frameworks, mcp, openinference, openllmetry
from spanwatch.core.dialects.values import MOST, Attributes, Fields, Row, Table, read

Further = Callable[[Attributes], Fields]
_SETS = 256  # of names that spans had together, and that are remembered: an instrumentation has a handful
_MEANINGS = 32  # of values that spans with the same names had, remembered: a program asks a handful of models
_SHORT = 256  # characters, or items: what holds more is no name that most calls say alike, and is not remembered
# What nearly every call says for itself, and is not remembered.
_OWN = frozenset({"response_id", "user_id", "conversation_id", "time_to_first_chunk_s"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to say things about a model call.

    `mark` is an attribute that only this dialect sets, None where it is read from every span. `table` says which
    attribute is which field, the better one first; `further` gives the fields of the call that are more than one
    attribute, `tokens` such units of its usage, and they are asked where one of `parts` is there; `operation` gives the
    operation by the span's attributes and name, or None.
    """

    name: str
    table: Table = ()
    further: Further | None = None
    tokens: Further | None = None
    parts: tuple[str, ...] = ()
    operation: Callable[[Attributes, str], str | None] | None = None
    mark: str | None = None


DIALECTS: tuple[Dialect, ...] = (
    Dialect("gemini by openllmetry", tokens=frameworks.gemini, parts=(frameworks.TOTAL,)),
    Dialect("logfire", operation=frameworks.logfire_operation, mark=frameworks.LOGFIRE),
    Dialect(
        "gen_ai",
        conventions.CURRENT,
        conventions.stated_cost,
        parts=(conventions.STATED_COST,),
        operation=conventions.operation,
    ),
    Dialect("gen_ai 1.37-1.41", conventions.OF_1_41),
    Dialect("gen_ai to 1.36", conventions.OF_1_36),
    Dialect(
        "litellm",
        tokens=frameworks.litellm,
        parts=(frameworks.LITELLM_USAGE,),
        operation=frameworks.litellm_operation,
        mark=frameworks.LITELLM,
    ),
    Dialect(
        "openllmetry",
        openllmetry.OPENLLMETRY,
        openllmetry.address,
        parts=(openllmetry.BASE,),
        operation=openllmetry.operation,
    ),
    Dialect(
        "openinference",
        openinference.OPENINFERENCE,
        openinference.asked,
        parts=openinference.PARAMETERS,
        operation=openinference.operation,
        mark=openinference.KIND,
    ),
    Dialect("vercel", frameworks.VERCEL_TABLE, operation=frameworks.vercel_operation, mark=frameworks.VERCEL),
    Dialect(
        "langfuse",
        frameworks.LANGFUSE_TABLE,
        tokens=frameworks.langfuse,
        parts=(frameworks.LANGFUSE_USAGE,),
        operation=frameworks.langfuse_operation,
        mark=frameworks.LANGFUSE,
    ),
    Dialect("pydantic ai", frameworks.PYDANTIC_AI),
    Dialect("mcp", operation=mcp.operation, mark=names.MCP_METHOD),
)
_OPERATIONS = tuple((dialect.mark, dialect.operation) for dialect in DIALECTS if dialect.operation is not None)
_UNITS = frozenset(USAGE_FIELDS)
_READ = frozenset(
    name
    for dialect in DIALECTS
    for name in (dialect.mark, *dialect.parts, *(attribute for _, attribute, _ in dialect.table))
    if name is not None
)


def operation_of(attributes: Attributes, name: str = "") -> str | None:
    """The operation by its current name, or None when nothing says it."""
    for mark, asked in _OPERATIONS:
        if mark is None or mark in attributes:
            found = asked(attributes, name)
            if found is not None:
                return found
    return None if openllmetry.KIND in attributes else conventions.implied(attributes, name)


def merged(attributes: Attributes) -> tuple[Fields, Fields]:
    """What all dialects read, each from the first that knows it: fields of the call, and units of its usage."""
    call: Fields = {}
    usage: Fields = {}
    for few, known, anew, fields, counts, further, tokens in _spoken(_READ.intersection(attributes)):
        if few is not None:
            values = few(attributes)
            try:
                call = {**known(*values), **call}
            except TypeError:  # a value has no hash, or is long
                call = {**anew(*values), **call}
        for field, attribute, convert in fields:
            if field not in call:
                value = convert(attributes[attribute])
                if value is not None:
                    call[field] = value
        for field, attribute, convert in counts:
            if field not in usage:
                value = attributes[attribute]
                if type(value) is not int or not 0 <= value < MOST:
                    value = convert(value)
                if value is not None:
                    usage[field] = value
        if further is not None:
            call = {**further(attributes), **call}
        if tokens is not None:
            usage = {**tokens(attributes), **usage}
    tier = call.get("service_tier")
    if tier is not None:
        call["price_context"] = (("service_tier", tier),)
    return call, usage


class _Part(NamedTuple):
    """What is to be read of spans that have the same names: of dialects between which nothing else is asked.

    `few` gets the values of attributes that say the same of most calls of a program, `known` what those mean: it
    remembers that, and `anew` does not. `fields` and `counts` are of each call its own. All are followed by `further`
    and `tokens`.
    """

    few: Callable[[Attributes], Any] | None
    known: Callable[..., Fields]  # values → fields
    anew: Callable[..., Fields]
    fields: Table
    counts: Table
    further: Further | None
    tokens: Further | None


@lru_cache(_SETS)
def _spoken(present: frozenset[str]) -> tuple[_Part, ...]:
    """What is to be read of a span that has these of the names we know."""
    found: list[_Part] = []
    rows: list[Row] = []
    for dialect in DIALECTS:
        if dialect.mark is None or dialect.mark in present:
            rows += [row for row in dialect.table if row[1] in present]
            if present.intersection(dialect.parts):
                found.append(_part(rows, dialect.further, dialect.tokens))
                rows = []
    return (*found, _part(rows)) if rows else tuple(found)


def _part(rows: Sequence[Row], further: Further | None = None, tokens: Further | None = None) -> _Part:
    counts = tuple(row for row in rows if row[0] in _UNITS)
    fields = tuple(row for row in rows if row[0] in _OWN)
    alike = tuple(row for row in rows if row not in counts and row not in fields)

    def anew(*values: Any) -> Fields:
        return read(dict(zip((name for _, name, _ in alike), values, strict=True)), alike)

    @lru_cache(_MEANINGS, typed=True)  # to `flag` 1 is not True
    def known(*values: Any) -> Fields:
        if any(map(_is_long, values)):
            raise TypeError("too long to be remembered")
        return anew(*values)

    return _Part(_values_of(alike), known, anew, fields, counts, further, tokens)


def _is_long(value: Any) -> bool:
    if type(value) is tuple:
        return len(value) > _SHORT or any(type(item) is tuple or _is_long(item) for item in value)
    return type(value) in {str, bytes} and len(value) > _SHORT


def _values_of(rows: Sequence[Row]) -> Callable[[Attributes], tuple[Any, ...]] | None:
    """What gets the attributes of rows in one go."""
    attributes = [attribute for _, attribute, _ in rows]
    if len(attributes) == 1:
        return lambda found: (found[attributes[0]],)
    return itemgetter(*attributes) if attributes else None
