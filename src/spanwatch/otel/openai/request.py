"""What was asked: a request's body as span attributes, and the facts that the `Call` needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spanwatch.core import names
from spanwatch.otel.openai.endpoints import Endpoint
from spanwatch.otel.openai.reading import get, text

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """Where calls of one client go."""

    address: str | None
    port: int | None
    provider: str


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it was asked for."""

    endpoint: Endpoint
    server: Server
    model: str | None
    stream: bool
    attributes: Attributes
    user_id: str | None = None
    conversation_id: str | None = None
    fetched_id: str | None = None

    @property
    def span_name(self) -> str:
        """`{operation} {model}`, or the operation alone."""
        operation = self.endpoint.operation
        return f"{operation} {self.model}" if self.model is not None else operation


def request_of(
    endpoint: Endpoint,
    server: Server,
    body: Mapping[str, Any],
    *,
    stream: bool,
    fetched_id: str | None = None,
    cursor: Any = None,
) -> Request:
    """The facts of a request.

    `body` is the JSON that is sent, `cursor` the event after which the stream of a fetched response goes on.
    """
    model = text(body.get("model"))
    found: Attributes = {
        names.OPERATION_NAME: endpoint.operation,
        names.PROVIDER_NAME: server.provider,
    }
    if model is not None:
        found[names.REQUEST_MODEL] = model
    if server.address is not None:
        found[names.SERVER_ADDRESS] = server.address
    if server.port is not None:
        found[names.SERVER_PORT] = server.port
    if endpoint.api is not None:
        found[names.OPENAI_API_TYPE] = endpoint.api
    if endpoint.output is not None:
        found[names.OUTPUT_TYPE] = endpoint.output
    if stream:
        found[names.REQUEST_STREAM] = True
    if fetched_id is not None:
        found[names.RESPONSE_ID] = fetched_id
        if cursor is not None:
            found[names.REQUEST_STREAM_CURSOR] = str(cursor)
    for name in body:
        setting = _SETTINGS.get(name)
        if setting is not None:
            setting(found, body[name])
    return Request(
        endpoint=endpoint,
        server=server,
        model=model,
        stream=stream,
        attributes=found,
        user_id=text(body.get("safety_identifier")) or text(body.get("user")),
        conversation_id=found.get(names.CONVERSATION_ID),
        fetched_id=fetched_id,
    )


Setting = Callable[[Attributes, Any], None]


def _integer(name: str) -> Setting:
    def put(found: Attributes, value: Any) -> None:
        if isinstance(value, int) and not isinstance(value, bool):
            found[name] = value

    return put


def _double(name: str) -> Setting:
    def put(found: Attributes, value: Any) -> None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)

    return put


def _string(name: str) -> Setting:
    def put(found: Attributes, value: Any) -> None:
        if isinstance(value, str) and value:
            found[name] = value

    return put


def _within(field: str, setting: Setting) -> Setting:
    """A setting that is one field of an object."""

    def put(found: Attributes, value: Any) -> None:
        setting(found, get(value, field))

    return put


def _choices(found: Attributes, value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and value != 1:
        found[names.REQUEST_CHOICE_COUNT] = value


def _stop(found: Attributes, value: Any) -> None:
    if isinstance(value, str):
        found[names.REQUEST_STOP_SEQUENCES] = (value,)
    elif isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        found[names.REQUEST_STOP_SEQUENCES] = tuple(value)


def _tier(found: Attributes, value: Any) -> None:
    if isinstance(value, str) and value != "auto":
        found[names.OPENAI_REQUEST_SERVICE_TIER] = value


def _encoding(found: Attributes, value: Any) -> None:
    # The client asks for base64 by itself and decodes it; only the other format is ever the application's own wish.
    if isinstance(value, str) and value != "base64":
        found[names.REQUEST_ENCODING_FORMATS] = (value,)


def _format(found: Attributes, value: Any) -> None:
    output = _OUTPUTS.get(get(value, "type"))
    if output is not None and names.OUTPUT_TYPE not in found:
        found[names.OUTPUT_TYPE] = output


def _modalities(found: Attributes, value: Any) -> None:
    if isinstance(value, (list, tuple)) and "audio" in value:
        found[names.OUTPUT_TYPE] = "speech"


def _conversation(found: Attributes, value: Any) -> None:
    known = text(value) or text(get(value, "id"))
    if known is not None:
        found[names.CONVERSATION_ID] = known


def _prompt(found: Attributes, value: Any) -> None:
    """A stored prompt; the `prompt` of a text completion is a string and content."""
    if isinstance(value, Mapping):
        _string(names.PROMPT_NAME)(found, value.get("id"))
        _string(names.PROMPT_VERSION)(found, value.get("version"))


_OUTPUTS = {"text": "text", "json_object": "json", "json_schema": "json"}
_SETTINGS: dict[str, Setting] = {
    "max_tokens": _integer(names.REQUEST_MAX_TOKENS),
    "max_completion_tokens": _integer(names.REQUEST_MAX_TOKENS),
    "max_output_tokens": _integer(names.REQUEST_MAX_TOKENS),
    "temperature": _double(names.REQUEST_TEMPERATURE),
    "top_p": _double(names.REQUEST_TOP_P),
    "top_k": _integer(names.REQUEST_TOP_K),
    "frequency_penalty": _double(names.REQUEST_FREQUENCY_PENALTY),
    "presence_penalty": _double(names.REQUEST_PRESENCE_PENALTY),
    "seed": _integer(names.REQUEST_SEED),
    "n": _choices,
    "stop": _stop,
    "reasoning_effort": _string(names.REQUEST_REASONING_LEVEL),
    "reasoning": _within("effort", _string(names.REQUEST_REASONING_LEVEL)),
    "previous_response_id": _string(names.REQUEST_PREVIOUS_RESPONSE_ID),
    "service_tier": _tier,
    "response_format": _format,
    "text": _within("format", _format),
    "modalities": _modalities,
    "conversation": _conversation,
    "prompt": _prompt,
    "dimensions": _integer(names.EMBEDDINGS_DIMENSION_COUNT),
    "encoding_format": _encoding,
}
