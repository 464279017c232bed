"""OpenInference, by Arize: `llm.*`, flattened. Its messages are never read."""

from __future__ import annotations

from functools import lru_cache

from spanwatch.core import names
from spanwatch.core.dialects.values import Attributes, Fields, Table, count, document, flag, provider, read, text, texts

KIND = "openinference.span.kind"
PARAMETERS = ("llm.invocation_parameters", "embedding.invocation_parameters")
FIRST_TOKEN = "First Token Stream Event"  # noqa: S105 (the name of an event)
_FETCHING = "Response"  # the span of a response that is created, and of one that is only fetched
_PREPARING = "._prepare_chat_with_tools"  # LlamaIndex's step before an agent's call, traced as if it were one


def asked(attributes: Attributes) -> Fields:
    """The request's model, which stands among the settings only, and whether its answer was to stream."""
    return read(_parameters(attributes), _ASKED)


def operation(attributes: Attributes, name: str) -> str | None:
    """By the kind of its span. A response that was made before, and is fetched now, has no model among its settings."""
    kind = text(attributes.get(KIND))
    if kind is None:
        return None
    if kind == "LLM" and name.endswith(_PREPARING):
        return names.PREPARE_REQUEST
    fetching = kind == "LLM" and name == _FETCHING and PARAMETERS[0] in attributes
    if fetching and not _parameters(attributes).keys() & _NAMED:
        return names.FETCH_RESPONSE
    return KINDS.get(kind)


def _parameters(attributes: Attributes) -> Attributes:
    for attribute in PARAMETERS:
        if attribute in attributes:
            stated = attributes[attribute]
            repeated = type(stated) is str and len(stated) <= _REPEATED
            return _document(stated) if repeated else document(stated)
    return {}


_document = lru_cache(128)(document)  # a program calls with the same settings over and over


_REPEATED = 1_024  # characters
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
OPENINFERENCE: Table = (
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
