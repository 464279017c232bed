"""What an agent does as attributes of a log record: content where it is on, else sizes and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spanwatch.core import names
from spanwatch.core.redact import Redactor
from spanwatch.otel.errors import safe_message, stack_of, stated_message
from spanwatch.otel.openai.failures import public_name
from spanwatch.otel.telemetry import Content

_MOST_NAMES = 64  # arguments whose names and types are listed
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """Where the text of one side of a conversation goes."""

    size: str
    messages: str
    role: str


REQUEST = Side(names.INPUT_SIZE, names.INPUT_MESSAGES, "user")
RESPONSE = Side(names.RESULT_SIZE, names.OUTPUT_MESSAGES, "assistant")


def said(text: object, side: Side, content: Content, safe: Redactor) -> Attributes:
    """A text by its size and, with content on, as a message of the convention."""
    found: Attributes = {side.size: len(text)} if isinstance(text, _SIZED) else {}
    if content.on and text is not None:
        found[side.messages] = [{"role": side.role, "parts": [{"type": "text", "content": safe.clean(text)}]}]
    return found


def given(arguments: object, content: Content, safe: Redactor) -> Attributes:
    """What a tool was called with: the values, or names and types."""
    if arguments is None:
        return {}
    if content.on:
        return {names.TOOL_CALL_ARGUMENTS: safe.clean(arguments)}
    if isinstance(arguments, Mapping):
        pairs = list(arguments.items())[:_MOST_NAMES]
        return {names.INPUT_TYPES: ", ".join(f"{safe.clean(str(key))}: {_type(value)}" for key, value in pairs)}
    return {names.INPUT_TYPES: f"arguments: {_type(arguments)}"}


def gave(result: object, content: Content, safe: Redactor) -> Attributes:
    """What a tool returned: the value, or its type. None is no value, and no failure."""
    if result is None:
        return {}
    return {names.TOOL_CALL_RESULT: safe.clean(result)} if content.on else {names.RESULT_TYPE: _type(result)}


def ended(ok: bool | None, error: BaseException | None, duration_s: float | None, content: Content) -> Attributes:
    """How it ended and how long it took."""
    found: Attributes = {names.OUTCOME: "error" if failed(ok, error) else "ok"}
    if isinstance(duration_s, (int, float)):
        found[names.LOG_DURATION] = float(duration_s)
    return found if error is None else {**found, **raised(error, content)}


def failed(ok: bool | None, error: BaseException | None) -> bool:
    """Whether it failed: as stated, else whether there is an exception."""
    return error is not None if ok is None else not ok


def raised(error: BaseException, content: Content) -> Attributes:
    """An exception: type, stack, and message where that quotes no content or content is on."""
    kind = public_name(type(error))
    found: Attributes = {names.ERROR_TYPE: kind, names.EXCEPTION_TYPE: kind}
    message = stated_message(error, content_on=content.on)
    if message is not None:
        found[names.EXCEPTION_MESSAGE] = message
    says = safe_message if content.on else _sayable
    found[names.EXCEPTION_STACKTRACE] = stack_of(error, says)
    return found


def _sayable(error: BaseException) -> str | None:
    return stated_message(error, content_on=False)


def _type(value: object) -> str:
    return f"{type(value).__name__}[{len(value)}]" if isinstance(value, _SIZED) else type(value).__name__
