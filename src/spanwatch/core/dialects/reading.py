"""The registry: which dialects a span speaks, and what they say together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spanwatch.core.dialects import conventions, frameworks, openinference, openllmetry
from spanwatch.core.dialects.values import Attributes, Fields


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to say things about a model call.

    `mark` is an attribute that only this dialect sets, None where it is read from every span; `read` gives the fields
    it knows, `operation` the operation by the span's attributes and name, or None.
    """

    name: str
    read: Callable[[Attributes], Fields]
    operation: Callable[[Attributes, str], str | None] | None = None
    mark: str | None = None


DIALECTS: tuple[Dialect, ...] = (
    Dialect("gemini by openllmetry", frameworks.gemini, mark=frameworks.TOTAL),
    Dialect("logfire", lambda _: {}, frameworks.logfire_operation, frameworks.LOGFIRE),
    Dialect("gen_ai", conventions.current, conventions.operation),
    Dialect("gen_ai 1.37-1.41", conventions.of_1_41),
    Dialect("gen_ai to 1.36", conventions.of_1_36),
    Dialect("litellm", frameworks.litellm, frameworks.litellm_operation, frameworks.LITELLM),
    Dialect("openllmetry", openllmetry.openllmetry, openllmetry.operation),
    Dialect("openinference", openinference.openinference, openinference.operation, openinference.KIND),
    Dialect("vercel", frameworks.vercel, frameworks.vercel_operation, frameworks.VERCEL),
    Dialect("langfuse", frameworks.langfuse, frameworks.langfuse_operation, frameworks.LANGFUSE),
)


def speakers(attributes: Attributes) -> list[Dialect]:
    """The dialects that a span may speak."""
    return [dialect for dialect in DIALECTS if dialect.mark is None or dialect.mark in attributes]


def operation_of(attributes: Attributes, name: str = "") -> str | None:
    """The operation by its current name, or None when nothing says it."""
    for dialect in DIALECTS:
        if dialect.operation is not None and (dialect.mark is None or dialect.mark in attributes):
            found = dialect.operation(attributes, name)
            if found is not None:
                return found
    return None if openllmetry.KIND in attributes else conventions.implied(attributes, name)


def merged(attributes: Attributes) -> Fields:
    """What all dialects read, each field from the first that knows it."""
    found: Fields = {}
    for dialect in DIALECTS:
        if dialect.mark is None or dialect.mark in attributes:
            for field, value in dialect.read(attributes).items():
                found.setdefault(field, value)
    return found
