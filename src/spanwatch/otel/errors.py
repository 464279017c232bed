"""The exception event of a failed call, and messages that a hostile exception cannot break."""

from __future__ import annotations

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.util.types import AnyValue

from spanwatch.core import names
from spanwatch.core.call import Call

MAX_MESSAGE = 4_096


def emit_exception(logger: Logger, span: Span, call: Call, error: BaseException, message: object) -> None:
    """Emit the event `gen_ai.client.operation.exception`, with a message only where one is given."""
    attributes: dict[str, AnyValue] = {
        names.EXCEPTION_TYPE: call.error_type or type(error).__qualname__,
        names.OPERATION_NAME: call.operation,
    }
    for name, value in (
        (names.PROVIDER_NAME, call.provider),
        (names.REQUEST_MODEL, call.request_model),
        (names.EXCEPTION_MESSAGE, message),
    ):
        if isinstance(value, str):
            attributes[name] = value[:MAX_MESSAGE]
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
