"""OpenLLMetry's packages, by Traceloop."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.dialects.conventions import OPERATIONS
from spanwatch.core.dialects.values import Attributes, Fields, Table, count, flag, server, text, texts


def address(attributes: Attributes) -> Fields:
    """The server, which stands in a base URL."""
    base = text(attributes.get(BASE))
    return {} if base is None else server(base)


def operation(attributes: Attributes, name: str) -> str | None:  # noqa: ARG001 (as every dialect is asked)
    """The kind of one of its decorators, or the type of a request. Its tasks are no operation of the convention."""
    kind = text(attributes.get(KIND))
    if kind is not None:
        return _KINDS.get(kind.lower())
    request = text(attributes.get("llm.request.type"))
    return None if request is None else OPERATIONS.get(request.lower(), request)


KIND, HEADERS, BASE = "traceloop.span.kind", "gen_ai.headers", "gen_ai.openai.api_base"
SCHEMA = "gen_ai.request.structured_output_schema"
_KINDS = {
    "workflow": names.INVOKE_WORKFLOW,
    "agent": names.INVOKE_AGENT,
    "tool": names.EXECUTE_TOOL,
}
OPENLLMETRY: Table = (
    ("reasoning_tokens", "gen_ai.usage.reasoning_tokens", count),
    ("reasoning_tokens", "llm.usage.reasoning_tokens", count),
    ("cache_read_tokens", "gen_ai.usage.cache_read_input_tokens", count),
    ("cache_write_tokens", "gen_ai.usage.cache_creation_input_tokens", count),
    ("stream", "gen_ai.is_streaming", flag),
    ("stream", "llm.is_streaming", flag),
    ("user_id", "llm.user", text),
    ("finish_reasons", "gen_ai.response.finish_reason", texts),
)
