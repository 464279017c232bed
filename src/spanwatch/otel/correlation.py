"""Every standard-library log record says in which span and for whom it was written, whatever its format.

The factory of log records is wrapped while spanwatch is configured. A format prints the fields by naming them, such as
`%(otelTraceID)s`, and one that does not name them prints what it always did.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

from spanwatch.core import names
from spanwatch.otel.context import carried

RecordFactory = Callable[..., logging.LogRecord]

TRACE_ID = "otelTraceID"  # these four as opentelemetry-instrumentation-logging calls them
SPAN_ID = "otelSpanID"
TRACE_SAMPLED = "otelTraceSampled"
SERVICE_NAME = "otelServiceName"
AGENT = "spanwatchAgent"
USER_ID = "spanwatchUserID"
CONVERSATION_ID = "spanwatchConversationID"
FIELDS = frozenset({TRACE_ID, SPAN_ID, TRACE_SAMPLED, SERVICE_NAME, AGENT, USER_ID, CONVERSATION_ID})


@dataclass(frozen=True, slots=True)
class Place:
    """Where and for whom something happens now; ids are lower-case hex, None is outside of any span or unknown."""

    trace_id: str | None = None
    span_id: str | None = None
    sampled: bool = False
    agent: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None


def here() -> Place:
    """The current place: the span in force, and what its context carries or its own attributes say."""
    span, rides = get_current_span(), carried()
    context = span.get_span_context()
    agent, user_id, conversation_id = rides.agent, rides.user_id, rides.conversation_id
    if not context.is_valid:
        return Place(agent=agent, user_id=user_id, conversation_id=conversation_id)
    said: Mapping[str, Any] | None = None
    if agent is None or user_id is None or conversation_id is None:
        said = getattr(span, "attributes", None)
    if said:
        agent = agent or _text(said.get(names.AGENT_NAME))
        user_id = user_id or _text(said.get(names.USER_ID))
        conversation_id = conversation_id or _text(said.get(names.CONVERSATION_ID))
    sampled = context.trace_flags.sampled
    ids = format_trace_id(context.trace_id), format_span_id(context.span_id)
    return Place(*ids, sampled, agent, user_id, conversation_id)


class Correlation:
    """Wraps the factory of log records in force; `off()` puts that back.

    Where something else has wrapped the factory since, ours stays inside it and adds nothing from then on.

    Args:
        service: What `otelServiceName` says.
    """

    def __init__(self, service: str | None) -> None:
        self._service, self._active = service or "", True
        self._before: RecordFactory = logging.getLogRecordFactory()
        self._factory: RecordFactory = self._made
        logging.setLogRecordFactory(self._factory)

    def off(self) -> None:
        """Add nothing from now on."""
        self._active = False
        if logging.getLogRecordFactory() is self._factory:
            logging.setLogRecordFactory(self._before)

    def _made(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._before(*args, **kwargs)
        if self._active:
            try:
                record.__dict__ = _Fields(record.__dict__, self._known())
            except Exception:  # noqa: BLE001 (a span of the host's own, or a record without a dict)
                return record
        return record

    def _known(self) -> dict[str, Any]:
        place = here()
        return {
            TRACE_ID: place.trace_id or "0",
            SPAN_ID: place.span_id or "0",
            TRACE_SAMPLED: place.sampled,
            SERVICE_NAME: self._service,
            AGENT: place.agent or "",
            USER_ID: place.user_id or "",
            CONVERSATION_ID: place.conversation_id or "",
        }


class _Fields(dict[str, Any]):
    """A record's attributes that deny holding ours: logging refuses `extra=` names that a record has already.

    Copied or pickled, it is a plain dict.
    """

    def __init__(self, before: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        super().__init__(before)
        self.update(known)

    def __contains__(self, key: object) -> bool:
        return key not in FIELDS and super().__contains__(key)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, ({**self},)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
