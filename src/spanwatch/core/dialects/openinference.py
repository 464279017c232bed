"""OpenInference, by Arize: `llm.*`, flattened. Its messages are never read."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.dialects.values import Attributes, Fields, Table, count, document, flag, provider, read, text, texts

KIND = "openinference.span.kind"
PARAMETERS = ("llm.invocation_parameters", "embedding.invocation_parameters")
FIRST_TOKEN = "First Token Stream Event"  # noqa: S105 (the name of an event)
_FETCHING = "Response"  # the span of a response that is created, and of one that is only fetched


def openinference(attributes: Attributes) -> Fields:
    """Model, tokens and settings; the request's model stands among the settings only."""
    found = read(attributes, _OPENINFERENCE)
    asked = _parameters(attributes)
    for field, name, convert in _ASKED:
        value = convert(asked.get(name))
        if value is not None:
            found.setdefault(field, value)
    return found


def operation(attributes: Attributes, name: str) -> str | None:
    """By the kind of its span. A response that was made before, and is fetched now, has no model among its settings."""
    kind = text(attributes.get(KIND))
    if kind is None:
        return None
    if kind == "LLM" and name == _FETCHING and PARAMETERS[0] in attributes:
        asked = _parameters(attributes)
        if not asked.keys() & _NAMED:
            return names.FETCH_RESPONSE
    return KINDS.get(kind)


def _parameters(attributes: Attributes) -> Attributes:
    for attribute in PARAMETERS:
        if attribute in attributes:
            return document(attributes[attribute])
    return {}


_NAMED = frozenset({"model", "model_name", "prompt"})
KINDS = {
    "LLM": names.CHAT,
    "EMBEDDING": names.EMBEDDINGS,
    "AGENT": names.INVOKE_AGENT,
    "CHAIN": names.INVOKE_WORKFLOW,
    "TOOL": names.EXECUTE_TOOL,
    "RETRIEVER": names.RETRIEVAL,
}
_ASKED: Table = (("request_model", "model", text), ("request_model", "model_name", text), ("stream", "stream", flag))
_OPENINFERENCE: Table = (
    ("provider", "llm.provider", provider),
    ("provider", "llm.system", provider),
    ("response_model", "llm.model_name", text),
    ("response_model", "embedding.model_name", text),
    ("input_tokens", "llm.token_count.prompt", count),
    ("output_tokens", "llm.token_count.completion", count),
    ("cache_read_tokens", "llm.token_count.prompt_details.cache_read", count),
    ("cache_write_tokens", "llm.token_count.prompt_details.cache_write", count),
    ("input_audio_tokens", "llm.token_count.prompt_details.audio", count),
    ("reasoning_tokens", "llm.token_count.completion_details.reasoning", count),
    ("output_audio_tokens", "llm.token_count.completion_details.audio", count),
    ("finish_reasons", "llm.finish_reason", texts),
    ("conversation_id", "session.id", text),
    ("agent", "agent.name", text),
)
