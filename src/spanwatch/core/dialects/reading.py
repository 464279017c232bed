"""The registry: which dialects a span speaks, and what they say together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from spanwatch.core import names
from spanwatch.core.call import USAGE_FIELDS
from spanwatch.core.dialects import conventions, frameworks, mcp, openinference, openllmetry
from spanwatch.core.dialects.values import Attributes, Fields, Table

Further = Callable[[Attributes], Fields]
_SETS = 512  # of names that spans had together, and that are remembered: an instrumentation has a handful


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to say things about a model call.

    `mark` is an attribute that only this dialect sets, None where it is read from every span. `table` says which
    attribute is which field, the better one first; `further` gives the fields that are more than one attribute, and is
    asked where one of `parts` is there; `operation` gives the operation by the span's attributes and name, or None.
    """

    name: str
    table: Table = ()
    further: Further | None = None
    parts: tuple[str, ...] = ()
    operation: Callable[[Attributes, str], str | None] | None = None
    mark: str | None = None


DIALECTS: tuple[Dialect, ...] = (
    Dialect("gemini by openllmetry", (), frameworks.gemini, (frameworks.TOTAL,)),
    Dialect("logfire", operation=frameworks.logfire_operation, mark=frameworks.LOGFIRE),
    Dialect("gen_ai", conventions.CURRENT, conventions.stated_cost, (conventions.STATED_COST,), conventions.operation),
    Dialect("gen_ai 1.37-1.41", conventions.OF_1_41),
    Dialect("gen_ai to 1.36", conventions.OF_1_36),
    Dialect(
        "litellm",
        (),
        frameworks.litellm,
        (frameworks.LITELLM_USAGE,),
        frameworks.litellm_operation,
        frameworks.LITELLM,
    ),
    Dialect("openllmetry", openllmetry.OPENLLMETRY, openllmetry.address, (openllmetry.BASE,), openllmetry.operation),
    Dialect(
        "openinference",
        openinference.OPENINFERENCE,
        openinference.asked,
        openinference.PARAMETERS,
        openinference.operation,
        openinference.KIND,
    ),
    Dialect("vercel", frameworks.VERCEL_TABLE, operation=frameworks.vercel_operation, mark=frameworks.VERCEL),
    Dialect(
        "langfuse",
        frameworks.LANGFUSE_TABLE,
        frameworks.langfuse,
        (frameworks.LANGFUSE_USAGE,),
        frameworks.langfuse_operation,
        frameworks.LANGFUSE,
    ),
    Dialect("pydantic ai", frameworks.PYDANTIC_AI),
    Dialect("mcp", operation=mcp.operation, mark=names.MCP_METHOD),
)
_UNITS = frozenset(USAGE_FIELDS)
_READ = frozenset(
    name
    for dialect in DIALECTS
    for name in (dialect.mark, *dialect.parts, *(attribute for _, attribute, _ in dialect.table))
    if name is not None
)


def operation_of(attributes: Attributes, name: str = "") -> str | None:
    """The operation by its current name, or None when nothing says it."""
    for dialect in DIALECTS:
        if dialect.operation is not None and (dialect.mark is None or dialect.mark in attributes):
            found = dialect.operation(attributes, name)
            if found is not None:
                return found
    return None if openllmetry.KIND in attributes else conventions.implied(attributes, name)


def merged(attributes: Attributes) -> tuple[Fields, Fields]:
    """What all dialects read, each from the first that knows it: fields of the call, and units of its usage."""
    call: Fields = {}
    usage: Fields = {}
    for table, counts, further in _spoken(_READ.intersection(attributes)):
        for found, rows in ((call, table), (usage, counts)):
            for field, attribute, convert in rows:
                if field not in found:
                    value = convert(attributes[attribute])
                    if value is not None:
                        found[field] = value
        if further is not None:
            for field, value in further(attributes).items():
                (usage if field in _UNITS else call).setdefault(field, value)
    tier = call.get("service_tier")
    if tier is not None:
        call["price_context"] = (("service_tier", tier),)
    return call, usage


@lru_cache(_SETS)
def _spoken(present: frozenset[str]) -> tuple[tuple[Table, Table, Further | None], ...]:
    """What is to be read of a span that has these of the names we know: fields, counts, and what is more than one."""
    found: list[tuple[Table, Table, Further | None]] = []
    for dialect in DIALECTS:
        if dialect.mark is None or dialect.mark in present:
            rows = [row for row in dialect.table if row[1] in present]
            further = dialect.further if present.intersection(dialect.parts) else None
            if rows or further is not None:
                counts = tuple(row for row in rows if row[0] in _UNITS)
                found.append((tuple(row for row in rows if row[0] not in _UNITS), counts, further))
    return tuple(found)
