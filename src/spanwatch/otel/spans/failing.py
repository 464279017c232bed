"""The exception event of a failed agent, tool or request."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context

from spanwatch.core import names


def emit_failure(
    logger: Logger, context: Context, given: Mapping[str, str | None], message: str | None, at_ns: int
) -> None:
    """Emit the event `gen_ai.client.operation.exception`, with a message only where one is given."""
    found = {**given, names.EXCEPTION_MESSAGE: message}
    logger.emit(
        timestamp=at_ns,
        context=context,
        severity_number=SeverityNumber.WARN,
        event_name=names.EVENT_OPERATION_EXCEPTION,
        attributes={name: value for name, value in found.items() if value is not None},
    )
