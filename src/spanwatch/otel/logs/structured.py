"""What ties other loggers' events to spans: a processor for structlog, which need not be installed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from spanwatch.otel.correlation import here

_KEYS = ("trace_id", "span_id", "agent", "user_id", "conversation_id")


def structlog_processor(
    logger: object,  # noqa: ARG001 (structlog's signature)
    method_name: str,  # noqa: ARG001 (structlog's signature)
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Add `trace_id`, `span_id`, `agent`, `user_id` and `conversation_id` to an event, where known and not there yet.

    Put it among the processors of `structlog.configure`, before the one that renders. Works before `configure()` too.
    """
    place = here()
    for key in _KEYS:
        value = getattr(place, key)
        if value is not None:
            event_dict.setdefault(key, value)
    return event_dict
