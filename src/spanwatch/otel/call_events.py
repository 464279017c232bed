"""The log event of a finished model call, so that a log back end knows it too: `call_events` switches it on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.trace import Span, set_span_in_context

from spanwatch.core import names
from spanwatch.core.attributes import cost_attributes, response_attributes
from spanwatch.core.call import Call, CallStatus
from spanwatch.core.sanitise import plain

_STRUCTURED = (names.SYSTEM_INSTRUCTIONS, names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.TOOL_DEFINITIONS)


class CallEvents:
    """Emits `gen_ai.client.inference.operation.details` (DEBUG) for each inference call, with its span's attributes.

    Content is there when the switch has put it on the span, as structures; of a span that is not recorded, or that
    another library made, the event has what the call itself says.
    """

    def __init__(self, logger: Callable[[], Logger]) -> None:
        self._logger = logger

    def __call__(self, call: Call, span: Span) -> None:
        """Emit the event of a call."""
        if call.operation not in names.INFERENCE_OPERATIONS or call.status is CallStatus.REFUSED:
            return
        given: Mapping[str, Any] = getattr(span, "attributes", None) or {}
        attributes = dict(plain(given)) if given else called(call)
        for name in _STRUCTURED:
            if isinstance(attributes.get(name), str):
                attributes[name] = _structure(attributes[name])
        self._logger().emit(
            timestamp=call.ended_ns,
            context=set_span_in_context(span),
            severity_number=SeverityNumber.DEBUG,
            severity_text="DEBUG",
            event_name=names.EVENT_INFERENCE_DETAILS,
            attributes=attributes,
        )


def called(call: Call) -> dict[str, Any]:
    """A call as the attributes of its span, as far as the call knows them."""
    asked: dict[str, Any] = {
        names.OPERATION_NAME: call.operation,
        names.PROVIDER_NAME: call.provider,
        names.REQUEST_MODEL: call.request_model,
        names.REQUEST_STREAM: call.stream or None,
        names.SERVER_ADDRESS: call.server_address,
        names.SERVER_PORT: call.server_port,
        names.AGENT_NAME: call.agent,
    }
    found = {name: value for name, value in asked.items() if value is not None}
    found.update(response_attributes(call))
    if call.cost is not None:
        found.update(cost_attributes(call.cost))
    return found


def _structure(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
