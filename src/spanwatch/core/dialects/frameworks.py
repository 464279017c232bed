"""Spans of frameworks and backends: Vercel's AI SDK, LiteLLM, Langfuse, Logfire, Pydantic AI, Gemini by OpenLLMetry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spanwatch.core import names
from spanwatch.core.dialects.values import (
    Attributes,
    Fields,
    Table,
    count,
    document,
    milliseconds,
    provider,
    text,
    texts,
)

VERCEL, LITELLM, LANGFUSE, LOGFIRE = (
    "ai.operationId",
    "litellm.call_id",
    "langfuse.observation.type",
    "logfire.span_type",
)
LITELLM_USAGE, LANGFUSE_USAGE = "metadata.usage_object", "langfuse.observation.usage_details"


def vercel_operation(attributes: Attributes, _name: str) -> str | None:
    """The call to a provider, `...doGenerate`; what is around it repeats its usage."""
    stated = text(attributes.get(VERCEL)) or ""
    return _VERCEL_OPERATIONS.get(stated.rpartition(".")[2]) or _VERCEL_OPERATIONS.get(stated)


def litellm(attributes: Attributes) -> Fields:
    """LiteLLM's callback; parts of the tokens stand only in its metadata, as Python writes a dictionary."""
    stated = attributes.get(LITELLM_USAGE)
    parts = _LITELLM_PARTS.findall(stated) if isinstance(stated, str) else ()
    return {_LITELLM_FIELDS[name]: int(tokens) for name, tokens in reversed(parts)}  # of two the first


def litellm_operation(attributes: Attributes, _name: str) -> str | None:
    """By the kind of its function: `completion` is a chat there."""
    return _LITELLM_OPERATIONS.get(str(attributes.get("llm.request.type")))


def langfuse(attributes: Attributes) -> Fields:
    """A generation of Langfuse's kit. `input` counts beside `input_...`; OpenAI's own shape counts them together."""
    usage = document(attributes.get(LANGFUSE_USAGE))
    stated = _provider_usage(usage) if "prompt_tokens" in usage else _langfuse_usage(usage)
    return {field: known for field, value in stated.items() if (known := count(value)) is not None}


def langfuse_operation(attributes: Attributes, _name: str) -> str | None:
    """By the type of its observation."""
    return _LANGFUSE_OPERATIONS.get(str(attributes.get(LANGFUSE)))


def logfire_operation(attributes: Attributes, _name: str) -> str | None:
    """Of a stream Logfire makes a span that knows nothing, and then one of type `log` that knows all: the latter is it.

    A placeholder of type `pending_span` is no span yet.
    """
    kind = attributes.get(LOGFIRE)
    if kind == "pending_span":
        return PENDING
    begun = "gen_ai.input.messages" in attributes or "request_data" in attributes
    answered = any(key in attributes for key in _LOGFIRE_ANSWERED)
    failed = (count(attributes.get("logfire.level_num")) or 0) >= _LOGFIRE_ERROR
    return PENDING if kind == "span" and begun and not answered and not failed else None


def gemini(attributes: Attributes) -> Fields:
    """OpenLLMetry leaves a thinking model's thoughts out of the output, but not out of the total."""
    stated = attributes.get(names.PROVIDER_NAME) or attributes.get("gen_ai.system")
    if not isinstance(stated, str) or not stated.startswith("gcp."):
        return {}
    total, asked = count(attributes.get(TOTAL)), count(attributes.get(names.USAGE_INPUT_TOKENS))
    said = count(attributes.get(names.USAGE_OUTPUT_TOKENS))
    if total is None or asked is None or said is None or total <= asked + said:
        return {}
    return {"output_tokens": total - asked, "reasoning_tokens": total - asked - said}


def _provider_usage(usage: Attributes) -> Fields:
    asked, made = document(usage.get("prompt_tokens_details")), document(usage.get("completion_tokens_details"))
    return {
        "input_tokens": usage.get("prompt_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "cache_read_tokens": asked.get("cached_tokens"),
        "cache_write_tokens": asked.get("cache_write_tokens"),
        "reasoning_tokens": made.get("reasoning_tokens"),
    }


def _langfuse_usage(usage: Attributes) -> Fields:
    parts = {name: known for name, value in usage.items() if (known := count(value)) is not None}
    if not parts:
        return {}
    asked = [name for name in usage if name == "input" or name.startswith(("input_", "cache_"))]
    made = [name for name in usage if name == "output" or name.startswith("output_")]
    return {
        "input_tokens": _whole(parts, asked),
        "output_tokens": _whole(parts, made),
        "cache_read_tokens": parts.get("input_cached_tokens", parts.get("cache_read_input_tokens")),
        "cache_write_tokens": parts.get("input_cache_creation", parts.get("cache_creation_input_tokens")),
        "reasoning_tokens": parts.get("output_reasoning_tokens", parts.get("output_reasoning")),
    }


def _whole(parts: Mapping[str, int], which: Sequence[str]) -> int | None:
    """The sum of these parts, where each of them is a count."""
    return sum(parts[name] for name in which) if which and parts.keys() >= set(which) else None


PENDING = "pending"  # recognised, and no operation of its own
TOTAL = "gen_ai.usage.total_tokens"
_VERCEL_OPERATIONS = {
    "doGenerate": names.CHAT,
    "doStream": names.CHAT,
    "doEmbed": names.EMBEDDINGS,
    "ai.toolCall": names.EXECUTE_TOOL,
    "ai.generateText": names.INVOKE_AGENT,
    "ai.streamText": names.INVOKE_AGENT,
    "ai.generateObject": names.INVOKE_AGENT,
    "ai.streamObject": names.INVOKE_AGENT,
    "ai.embed": names.INVOKE_WORKFLOW,
    "ai.embedMany": names.INVOKE_WORKFLOW,
}
VERCEL_TABLE: Table = (  # the AI SDK; older versions have only these names, newer ones `gen_ai.*` beside them
    ("provider", "ai.model.provider", provider),
    ("request_model", "ai.model.id", text),
    ("response_model", "ai.response.model", text),
    ("response_id", "ai.response.id", text),
    ("finish_reasons", "ai.response.finishReason", texts),
    ("time_to_first_chunk_s", "ai.response.msToFirstChunk", milliseconds),
    ("input_tokens", "ai.usage.inputTokens", count),
    ("input_tokens", "ai.usage.promptTokens", count),
    ("input_tokens", "ai.usage.tokens", count),
    ("output_tokens", "ai.usage.outputTokens", count),
    ("output_tokens", "ai.usage.completionTokens", count),
    ("cache_read_tokens", "ai.usage.cachedInputTokens", count),
    ("cache_read_tokens", "ai.usage.inputTokenDetails.cacheReadTokens", count),
    ("cache_write_tokens", "ai.usage.inputTokenDetails.cacheWriteTokens", count),
    ("reasoning_tokens", "ai.usage.reasoningTokens", count),
    ("user_id", "ai.telemetry.metadata.userId", text),
    ("conversation_id", "ai.telemetry.metadata.sessionId", text),
)
_LITELLM_OPERATIONS = {
    **dict.fromkeys(("completion", "acompletion", "responses", "aresponses"), names.CHAT),
    **dict.fromkeys(("text_completion", "atext_completion"), names.TEXT_COMPLETION),
    **dict.fromkeys(("embedding", "aembedding"), names.EMBEDDINGS),
}
_LITELLM_FIELDS = {
    "cached": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_creation": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
_LITELLM_PARTS = re.compile(rf"'({'|'.join(_LITELLM_FIELDS)})_tokens': (\d{{1,12}})\b")
LANGFUSE_TABLE: Table = (
    ("response_model", "langfuse.observation.model.name", text),
    ("user_id", "langfuse.user.id", text),
    ("conversation_id", "langfuse.session.id", text),
)
_LANGFUSE_OPERATIONS = {
    "generation": names.CHAT,
    "embedding": names.EMBEDDINGS,
    "agent": names.INVOKE_AGENT,
    "tool": names.EXECUTE_TOOL,
    "chain": names.INVOKE_WORKFLOW,
    "retriever": names.RETRIEVAL,
    **dict.fromkeys(("span", "event", "evaluator", "guardrail"), PENDING),
}
PYDANTIC_AI: Table = (  # parts of input and output; what a model thought is called as its provider does
    ("reasoning_tokens", "gen_ai.usage.details.reasoning_tokens", count),
    ("reasoning_tokens", "gen_ai.usage.details.thinking_tokens", count),
    ("reasoning_tokens", "gen_ai.usage.details.thoughts_tokens", count),
    ("input_audio_tokens", "gen_ai.usage.details.input_audio_tokens", count),
    ("output_audio_tokens", "gen_ai.usage.details.output_audio_tokens", count),
    ("cache_audio_read_tokens", "gen_ai.usage.details.cache_audio_read_tokens", count),
)
_LOGFIRE_ERROR = 17  # the level of a span that an exception left
_LOGFIRE_ANSWERED = (names.USAGE_INPUT_TOKENS, names.USAGE_OUTPUT_TOKENS, names.RESPONSE_ID, names.ERROR_TYPE)
