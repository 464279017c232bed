"""The GenAI conventions of OpenTelemetry, in their three generations."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.dialects.values import (
    Attributes,
    Fields,
    Table,
    count,
    dollars,
    flag,
    port,
    provider,
    seconds,
    text,
    texts,
)


def stated_cost(attributes: Attributes) -> Fields:
    """What the provider itself says that the call cost."""
    stated = dollars(attributes.get("gen_ai.usage.cost.amount"))
    by_provider = stated is not None and attributes.get(STATED_COST) == "provider"
    return {"provider_cost_nano_usd": stated} if by_provider else {}


def operation(attributes: Attributes, name: str) -> str | None:  # noqa: ARG001 (as every dialect is asked)
    """The operation that is stated, by its current name."""
    stated = text(attributes.get(names.OPERATION_NAME))
    return None if stated is None else OPERATIONS.get(stated.lower(), stated)


def implied(attributes: Attributes, name: str) -> str | None:  # noqa: ARG001 (as every dialect is asked)
    """A call where nothing is stated but a model and its tokens."""
    model = text(attributes.get(names.REQUEST_MODEL)) or text(attributes.get(names.RESPONSE_MODEL))
    if model is not None and any(key in attributes for key in _TOKENS):
        return names.EMBEDDINGS if "embed" in model.lower() else names.CHAT
    return None


STATED_COST = "gen_ai.usage.cost.source"
OPERATIONS = {
    "completion": names.TEXT_COMPLETION,
    "completions": names.TEXT_COMPLETION,
    "embedding": names.EMBEDDINGS,
    **{name: name for name in names.PRICED_OPERATIONS},
}
_TOKENS = (
    names.USAGE_INPUT_TOKENS,
    names.USAGE_OUTPUT_TOKENS,
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.completion_tokens",
)
INHERITED: Table = (
    ("user_id", names.USER_ID, text),
    ("user_id", "enduser.id", text),
    ("user_id", "gen_ai.user", text),
    ("user_id", "traceloop.association.properties.user_id", text),
    ("conversation_id", names.CONVERSATION_ID, text),
)
CURRENT: Table = (  # October 2026
    *INHERITED,
    ("provider", names.PROVIDER_NAME, provider),
    ("request_model", names.REQUEST_MODEL, text),
    ("response_model", names.RESPONSE_MODEL, text),
    ("response_id", names.RESPONSE_ID, text),
    ("finish_reasons", names.RESPONSE_FINISH_REASONS, texts),
    ("stream", names.REQUEST_STREAM, flag),
    ("time_to_first_chunk_s", names.RESPONSE_TIME_TO_FIRST_CHUNK, seconds),
    ("error_type", names.ERROR_TYPE, text),
    ("server_address", names.SERVER_ADDRESS, text),
    ("server_port", names.SERVER_PORT, port),
    ("service_tier", names.OPENAI_RESPONSE_SERVICE_TIER, text),
    ("api", names.OPENAI_API_TYPE, text),
    ("agent", names.AGENT_NAME, text),
    ("app_version", names.APP_VERSION, text),
    *((unit, attribute, count) for unit, attribute in names.USAGE_ATTRIBUTES.items()),
)
OF_1_41: Table = (("cache_write_tokens", "gen_ai.usage.cache_creation.input_tokens", count),)
OF_1_36: Table = (
    ("provider", "gen_ai.system", provider),
    ("input_tokens", "gen_ai.usage.prompt_tokens", count),
    ("output_tokens", "gen_ai.usage.completion_tokens", count),
    ("service_tier", "gen_ai.openai.response.service_tier", text),
)
