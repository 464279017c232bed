"""Attributes of any instrumentation → Call.

Three generations of GenAI names are in use, and each package adds its own. A dialect is one function from attributes to
the fields it knows; the registry merges them, the newest name first. A further dialect is one more entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from spanwatch.core import names
from spanwatch.core.call import USAGE_FIELDS, Call, CallStatus, Usage
from spanwatch.core.money import to_nano

Attributes = Mapping[str, Any]
Fields = dict[str, Any]  # fields of Call, and units of Usage
Dialect = Callable[[Attributes], Fields]
OPENLLMETRY_SCOPE, OPENLLMETRY_HEADERS = "opentelemetry.instrumentation.openai", "gen_ai.headers"
_MOST = 1 << 62  # a count beyond it is damage, and no database column holds it


class Role(StrEnum):
    """What a GenAI span stands for."""

    INFERENCE = "inference"
    EMBEDDINGS = "embeddings"
    AGENT = "agent"
    WORKFLOW = "workflow"
    TOOL = "tool"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """A finished foreign span as plain data. Times are UNIX nanoseconds, ids lower-case hex."""

    name: str
    attributes: Attributes
    started_ns: int
    ended_ns: int
    failed: bool = False
    exception_type: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    sampled: bool = True
    scope: str = ""


def is_genai(attributes: Attributes | None, name: str = "") -> bool:
    """Whether a span belongs to GenAI, by the names of its attributes, or by its own where it starts without any."""
    if attributes:
        for key in attributes:
            if isinstance(key, str) and key.startswith(_PREFIXES) and key not in _CARRIED:
                return True
    return name in _BARE_SPANS


def role_of(attributes: Attributes, name: str = "") -> Role | None:
    """The role of a span, or None when it has nothing to do with GenAI."""
    operation = operation_of(attributes)
    if operation is not None:
        return _ROLES.get(operation, Role.OTHER)
    if names.REQUEST_NAME in attributes:
        return Role.WORKFLOW
    return Role.OTHER if is_genai(attributes, name) else None


def operation_of(attributes: Attributes) -> str | None:
    """The operation by its current name, or None when nothing says it."""
    stated = _text(attributes.get(names.OPERATION_NAME))
    if stated is not None:
        return _OPERATIONS.get(stated.lower(), stated)
    kind = _text(attributes.get("traceloop.span.kind"))
    if kind is not None:
        return _KINDS.get(kind.lower())
    request = _text(attributes.get("llm.request.type"))
    if request is not None:
        return _OPERATIONS.get(request.lower(), request)
    model = _text(attributes.get(names.REQUEST_MODEL)) or _text(attributes.get(names.RESPONSE_MODEL))
    if model is not None and any(key in attributes for key in _TOKENS):
        return names.EMBEDDINGS if "embed" in model.lower() else names.CHAT
    return None


def read_call(span: SpanFacts, call_id: str) -> Call | None:
    """The model call that a foreign span stands for, or None when it is none that has a price."""
    operation = operation_of(span.attributes)
    if operation not in names.PRICED_OPERATIONS:
        return None
    fields = merged(span.attributes)
    usage = Usage(**{unit: fields.pop(unit) for unit in USAGE_FIELDS if unit in fields})
    status, error_type = _outcome(span, fields.pop("error_type", None))
    return Call(
        call_id=call_id,
        operation=operation,
        started_ns=span.started_ns,
        ended_ns=span.ended_ns,
        status=status,
        error_type=error_type,
        usage=usage or None,
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        sampled=span.sampled,
        scope=span.scope,
        **fields,
    )


def merged(attributes: Attributes) -> Fields:
    """What all dialects read, each field from the first that knows it."""
    found: Fields = {}
    for dialect in DIALECTS:
        for field, value in dialect(attributes).items():
            found.setdefault(field, value)
    return found


def inherited(attributes: Attributes, role: Role | None) -> Fields:
    """What an enclosing span says about the calls under it: user, conversation, and the agent if it is one."""
    found = _read(attributes, _INHERITED)
    if role is Role.AGENT:
        agent = _text(attributes.get(names.AGENT_NAME)) or _text(attributes.get("traceloop.entity.name"))
        if agent is not None:
            found["agent"] = agent
    return found


def current(attributes: Attributes) -> Fields:
    """The convention of October 2026."""
    found = _read(attributes, _CURRENT)
    tier = found.get("service_tier")
    if tier is not None:
        found["price_context"] = (("service_tier", tier),)
    if attributes.get("gen_ai.usage.cost.source") == "provider":
        stated = _dollars(attributes.get("gen_ai.usage.cost.amount"))
        if stated is not None:
            found["provider_cost_nano_usd"] = stated
    return found


def of_1_41(attributes: Attributes) -> Fields:
    """The core conventions 1.37 to 1.41: other names for cache writes."""
    return _read(attributes, _OF_1_41)


def of_1_36(attributes: Attributes) -> Fields:
    """The core conventions up to 1.36: `system`, prompt and completion tokens."""
    found = _read(attributes, _OF_1_36)
    tier = found.get("service_tier")
    if tier is not None:
        found["price_context"] = (("service_tier", tier),)
    return found


def openllmetry(attributes: Attributes) -> Fields:
    """What the OpenLLMetry packages add to, or spell otherwise than, the conventions."""
    found = _read(attributes, _OPENLLMETRY)
    base = _text(attributes.get("gen_ai.openai.api_base"))
    if base is not None:
        found.update(_server(base))
    return found


def provider_name(stated: str) -> str:
    """A provider by its current name; names nobody knows stay as they are, in lower case."""
    name = stated.strip().lower()
    return _PROVIDERS.get(name, name)


def _read(attributes: Attributes, table: tuple[tuple[str, str, Callable[[Any], Any]], ...]) -> Fields:
    found: Fields = {}
    for field, attribute, convert in table:
        value = attributes.get(attribute)
        if value is not None and field not in found:
            value = convert(value)
            if value is not None:
                found[field] = value
    return found


def _outcome(span: SpanFacts, error_type: str | None) -> tuple[CallStatus, str | None]:
    error_type = error_type or (span.exception_type if span.failed else None)
    if error_type is None and not span.failed:
        return CallStatus.OK, None
    if error_type is not None and "cancelled" in error_type.lower():
        return CallStatus.CANCELLED, error_type
    return CallStatus.ERROR, error_type or names.ERROR_OTHER


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,) if value else None
    if isinstance(value, (list, tuple)):
        return tuple(item for item in value if isinstance(item, str)) or None
    return None


def _count(value: Any) -> int | None:
    """A whole number of tokens; booleans, text, fractions, NaN and negatives are unknown."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value < _MOST or value != int(value):
        return None
    return int(value)


def _port(value: Any) -> int | None:
    port = _count(value)
    return port if port is not None and port < 65_536 else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < _MOST else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _provider(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else provider_name(text)


def _dollars(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        return None
    return to_nano(Decimal(str(value)))


def _server(url: str) -> Fields:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return {}
    found: Fields = {} if host is None else {"server_address": host}
    if host is not None and (port is not None or parts.scheme in _PORTS):
        found["server_port"] = port or _PORTS[parts.scheme]
    return found


_CARRIED = frozenset({names.AGENT_NAME, names.CONVERSATION_ID})  # stamped on any span below an agent or request
_PREFIXES = ("gen_ai.", "llm.", "traceloop.", "openinference.")
_PORTS = {"http": 80, "https": 443}
_BARE_SPANS = frozenset({"openai.response"})  # started without attributes, after the fact
_TOKENS = (
    names.USAGE_INPUT_TOKENS,
    names.USAGE_OUTPUT_TOKENS,
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.completion_tokens",
)
_OPERATIONS = {
    "completion": names.TEXT_COMPLETION,
    "completions": names.TEXT_COMPLETION,
    "embedding": names.EMBEDDINGS,
    **{name: name for name in names.PRICED_OPERATIONS},
}
_KINDS = {"workflow": names.INVOKE_WORKFLOW, "agent": names.INVOKE_AGENT, "tool": names.EXECUTE_TOOL}
_ROLES = {
    **dict.fromkeys(names.INFERENCE_OPERATIONS, Role.INFERENCE),
    names.EMBEDDINGS: Role.EMBEDDINGS,
    names.INVOKE_AGENT: Role.AGENT,
    names.INVOKE_WORKFLOW: Role.WORKFLOW,
    names.EXECUTE_TOOL: Role.TOOL,
}
_PROVIDERS = {
    "xai": "x_ai",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "perplexity_ai": "perplexity",
    "moonshot": "moonshot_ai",
}
_INHERITED: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("user_id", names.USER_ID, _text),
    ("user_id", "enduser.id", _text),
    ("user_id", "gen_ai.user", _text),
    ("user_id", "traceloop.association.properties.user_id", _text),
    ("conversation_id", names.CONVERSATION_ID, _text),
)
_CURRENT: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("provider", names.PROVIDER_NAME, _provider),
    ("request_model", names.REQUEST_MODEL, _text),
    ("response_model", names.RESPONSE_MODEL, _text),
    ("response_id", names.RESPONSE_ID, _text),
    ("finish_reasons", names.RESPONSE_FINISH_REASONS, _texts),
    ("stream", names.REQUEST_STREAM, _flag),
    ("time_to_first_chunk_s", names.RESPONSE_TIME_TO_FIRST_CHUNK, _seconds),
    ("error_type", names.ERROR_TYPE, _text),
    ("server_address", names.SERVER_ADDRESS, _text),
    ("server_port", names.SERVER_PORT, _port),
    ("service_tier", names.OPENAI_RESPONSE_SERVICE_TIER, _text),
    ("api", names.OPENAI_API_TYPE, _text),
    ("agent", names.AGENT_NAME, _text),
    ("app_version", names.APP_VERSION, _text),
    *_INHERITED,
    *((unit, attribute, _count) for unit, attribute in names.USAGE_ATTRIBUTES.items()),
)
_OF_1_41: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("cache_write_tokens", "gen_ai.usage.cache_creation.input_tokens", _count),
)
_OF_1_36: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("provider", "gen_ai.system", _provider),
    ("input_tokens", "gen_ai.usage.prompt_tokens", _count),
    ("output_tokens", "gen_ai.usage.completion_tokens", _count),
    ("service_tier", "gen_ai.openai.response.service_tier", _text),
)
_OPENLLMETRY: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("reasoning_tokens", "gen_ai.usage.reasoning_tokens", _count),
    ("reasoning_tokens", "llm.usage.reasoning_tokens", _count),
    ("cache_read_tokens", "gen_ai.usage.cache_read_input_tokens", _count),
    ("cache_write_tokens", "gen_ai.usage.cache_creation_input_tokens", _count),
    ("stream", "gen_ai.is_streaming", _flag),
    ("stream", "llm.is_streaming", _flag),
    ("user_id", "llm.user", _text),
    ("finish_reasons", "gen_ai.response.finish_reason", _texts),
)
DIALECTS: tuple[Dialect, ...] = (current, of_1_41, of_1_36, openllmetry)
