"""The exception event of a failed call; exceptions as text that no hostile one can break and that holds no secret."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.util.types import AnyValue

from spanwatch.core import names
from spanwatch.core.call import Call
from spanwatch.core.redact import redact

MAX_MESSAGE = 4_096
MAX_STACK = 16_384
_FRAMES = 32  # of each exception, the innermost
_CHAIN = 4  # exceptions that led to one another
_QUOTING = frozenset({"openai", "anthropic", "cohere", "mistralai", "google", "litellm", "pydantic", "pydantic_core"})
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"


def emit_exception(logger: Logger, span: Span, call: Call, error: BaseException | None, message: object) -> None:
    """Emit the event `gen_ai.client.operation.exception`, with a message only where one is given.

    The stack says where; messages of the exceptions are in it only where `message` is the exception's own.
    """
    attributes: dict[str, AnyValue] = {
        names.EXCEPTION_TYPE: call.error_type or (names.ERROR_OTHER if error is None else type(error).__qualname__),
        names.OPERATION_NAME: call.operation,
    }
    for name, value in (
        (names.PROVIDER_NAME, call.provider),
        (names.REQUEST_MODEL, call.request_model),
        (names.EXCEPTION_MESSAGE, message),
    ):
        if isinstance(value, str):
            attributes[name] = redact(value, MAX_MESSAGE)
    if error is not None and error.__traceback__ is not None:
        own = isinstance(message, str) and message == safe_message(error)
        attributes[names.EXCEPTION_STACKTRACE] = stack_of(error, safe_message if own else lambda _error: None)
    logger.emit(
        timestamp=call.ended_ns,
        context=set_span_in_context(span),
        severity_number=SeverityNumber.WARN,
        event_name=names.EVENT_OPERATION_EXCEPTION,
        attributes=attributes,
    )


def safe_message(error: BaseException) -> str | None:
    """The text of an exception, or None when it cannot even say that."""
    try:
        return str(error)[:MAX_MESSAGE]
    except Exception:  # noqa: BLE001 (the exception is the host's)
        return None


def stated_message(error: BaseException, *, content_on: bool) -> str | None:
    """What an exception that the application logs may say: with content off nothing that may quote a prompt.

    Model clients and validators of model output quote what they were given; any other message is the application's own.
    """
    quotes = type(error).__module__.partition(".")[0] in _QUOTING
    message = None if quotes and not content_on else safe_message(error)
    return None if message is None else redact(message, MAX_MESSAGE)


def stack_of(error: BaseException, says: Callable[[BaseException], str | None]) -> str:
    """Where an exception and those that led to it come from, as Python prints it; `says` gives each its message."""
    return redact("".join(_parts(error, says)), MAX_STACK)


def _parts(error: BaseException, says: Callable[[BaseException], str | None]) -> Iterator[str]:
    for one, link in reversed(list(_led_to(error))):
        if one.__traceback__ is not None:
            yield "Traceback (most recent call last):\n"
            yield from traceback.format_tb(one.__traceback__, limit=-_FRAMES)
        message = says(one)
        yield f"{type(one).__module__}.{type(one).__qualname__}".removeprefix("builtins.")
        yield f": {message}\n" if message else "\n"
        yield link


def _led_to(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """The exception, its cause or context, theirs, and so on; each with the words that link it to the one before."""
    one: BaseException | None = error
    link = ""
    for _ in range(_CHAIN):
        if one is None:
            return
        yield one, link
        link = _CAUSED if one.__cause__ is not None else _DURING
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
