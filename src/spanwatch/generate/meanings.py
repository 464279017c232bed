"""What each attribute means, for the reference."""

from __future__ import annotations

from dataclasses import dataclass

from spanwatch.core import names

_CALL = "Attributes of a model call"
_USAGE = "Usage"
_CONTENT = "Content, only when it is switched on"
_COST = "Cost"
_ROLLUP = "Roll-ups on agent, workflow and root spans"
_OURS = "Bookkeeping of our own"
_SHARED = "Shared with other conventions"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the reference."""

    group: str
    type: str
    text: str


MEANINGS: dict[str, Meaning] = {
    names.OPERATION_NAME: Meaning(_CALL, "string", "What was asked: chat, text_completion, embeddings, ..."),
    names.PROVIDER_NAME: Meaning(
        _CALL, "string", "Who answers, told by the host; `_OTHER` when the host names nobody."
    ),
    names.REQUEST_MODEL: Meaning(_CALL, "string", "The model that was asked for."),
    names.REQUEST_STREAM: Meaning(_CALL, "boolean", "True when the answer was asked for as a stream."),
    names.REQUEST_MAX_TOKENS: Meaning(_CALL, "int", "The limit on output tokens."),
    names.REQUEST_TEMPERATURE: Meaning(_CALL, "double", "The temperature."),
    names.REQUEST_TOP_P: Meaning(_CALL, "double", "The nucleus sampling share."),
    names.REQUEST_FREQUENCY_PENALTY: Meaning(_CALL, "double", "The frequency penalty."),
    names.REQUEST_PRESENCE_PENALTY: Meaning(_CALL, "double", "The presence penalty."),
    names.REQUEST_SEED: Meaning(_CALL, "int", "The seed."),
    names.REQUEST_STOP_SEQUENCES: Meaning(_CALL, "string[]", "The texts that end the output."),
    names.REQUEST_CHOICE_COUNT: Meaning(_CALL, "int", "How many choices were asked for, when not 1."),
    names.REQUEST_ENCODING_FORMATS: Meaning(_CALL, "string[]", "How embeddings should come."),
    names.REQUEST_REASONING_LEVEL: Meaning(_CALL, "string", "The reasoning effort."),
    names.REQUEST_PREVIOUS_RESPONSE_ID: Meaning(_CALL, "string", "The response this one continues."),
    names.REQUEST_STREAM_CURSOR: Meaning(_CALL, "string", "Where a resumed stream starts."),
    names.RESPONSE_ID: Meaning(_CALL, "string", "The provider's id of the answer."),
    names.RESPONSE_MODEL: Meaning(_CALL, "string", "The model that answered; the one the price is looked up by."),
    names.RESPONSE_FINISH_REASONS: Meaning(_CALL, "string[]", "Why each choice ended."),
    names.RESPONSE_STATUS: Meaning(_CALL, "string", "The state of a fetched or background response."),
    names.RESPONSE_TIME_TO_FIRST_CHUNK: Meaning(_CALL, "double", "Seconds from request to first chunk of a stream."),
    names.OUTPUT_TYPE: Meaning(_CALL, "string", "The kind of output asked for: text, json, image, speech."),
    names.EMBEDDINGS_DIMENSION_COUNT: Meaning(_CALL, "int", "The length asked for of each embedding."),
    names.CONVERSATION_ID: Meaning(
        _CALL, "string", "The conversation, when the request or an enclosing span names one."
    ),
    names.AGENT_NAME: Meaning(_CALL, "string", "The agent; set by the application on its agent span."),
    names.WORKFLOW_NAME: Meaning(_CALL, "string", "The workflow; set by the application."),
    names.TOOL_NAME: Meaning(_CALL, "string", "The tool; set by the application on its tool span."),
    names.OPENAI_API_TYPE: Meaning(_CALL, "string", "chat_completions or responses."),
    names.OPENAI_REQUEST_SERVICE_TIER: Meaning(_CALL, "string", "The service tier asked for."),
    names.OPENAI_RESPONSE_SERVICE_TIER: Meaning(
        _CALL, "string", "The service tier that answered; it changes the price."
    ),
    names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Meaning(_CALL, "string", "OpenAI's fingerprint of its own set-up."),
    names.USAGE_INPUT_TOKENS: Meaning(_USAGE, "int", "Input tokens; cached, written, audio and image ones included."),
    names.USAGE_OUTPUT_TOKENS: Meaning(_USAGE, "int", "Output tokens; reasoning included."),
    names.USAGE_CACHE_READ: Meaning(_USAGE, "int", "Of the input: read from cache."),
    names.USAGE_CACHE_WRITE: Meaning(_USAGE, "int", "Of the input: written to cache."),
    names.USAGE_REASONING: Meaning(_USAGE, "int", "Of the output: reasoning."),
    names.USAGE_TEXT_INPUT: Meaning(_USAGE, "int", "Of the input: text."),
    names.USAGE_TEXT_OUTPUT: Meaning(_USAGE, "int", "Of the output: text."),
    names.USAGE_AUDIO_INPUT: Meaning(_USAGE, "int", "Of the input: audio."),
    names.USAGE_AUDIO_OUTPUT: Meaning(_USAGE, "int", "Of the output: audio."),
    names.USAGE_AUDIO_CACHE_READ: Meaning(_USAGE, "int", "Of the cached input: audio."),
    names.USAGE_IMAGE_INPUT: Meaning(_USAGE, "int", "Of the input: images."),
    names.USAGE_IMAGE_OUTPUT: Meaning(_USAGE, "int", "Of the output: images."),
    names.USAGE_IMAGE_CACHE_READ: Meaning(_USAGE, "int", "Of the cached input: images."),
    names.USAGE_ATTRIBUTES["cache_write_5m_tokens"]: Meaning(_USAGE, "int", "Of the cache writes: kept five minutes."),
    names.USAGE_ATTRIBUTES["cache_write_1h_tokens"]: Meaning(_USAGE, "int", "Of the cache writes: kept an hour."),
    names.TOKEN_MODALITY: Meaning(_USAGE, "string", "On token counters only: text, audio or image."),
    names.SYSTEM_INSTRUCTIONS: Meaning(_CONTENT, "string", "The system prompt, as the convention's JSON."),
    names.INPUT_MESSAGES: Meaning(_CONTENT, "string", "What was sent, as the convention's JSON."),
    names.OUTPUT_MESSAGES: Meaning(_CONTENT, "string", "What came back, as the convention's JSON."),
    names.TOOL_DEFINITIONS: Meaning(_CONTENT, "string", "The tools that were offered."),
    names.CONTENT_CUT: Meaning(_CONTENT, "int", "Bytes that the size cap took away."),
    names.COST_USD: Meaning(_COST, "double", "US dollars; absent when unknown. The exact sum is in the store."),
    names.COST_STATUS: Meaning(_COST, "string", "How far the cost can be trusted; values below."),
    names.COST_REASON: Meaning(_COST, "string", "Why the cost is not simply priced; values below."),
    names.COST_SOURCE: Meaning(_COST, "string", "Whose price: user, spanwatch, genai-prices, provider."),
    names.COST_PRICE_VERSION: Meaning(_COST, "string", "The version of the price data."),
    names.USAGE_COST: Meaning(_COST, "double", "The same dollars under the name most back ends read."),
    names.OPERATION_COST: Meaning(_COST, "double", "The same, for Logfire and Pydantic AI; by setting only."),
    names.ROLLUP_COST_USD: Meaning(_ROLLUP, "double", "Cost of all calls below, sampled or not."),
    names.ROLLUP_CALLS: Meaning(_ROLLUP, "int", "Model calls below."),
    names.ROLLUP_ERRORS: Meaning(_ROLLUP, "int", "Model calls below that failed."),
    names.ROLLUP_UNPRICED: Meaning(
        _ROLLUP, "int", "Model calls below whose cost is unknown: the cost is a lower bound."
    ),
    names.ROLLUP_INPUT_TOKENS: Meaning(_ROLLUP, "int", "Input tokens of the calls below."),
    names.ROLLUP_OUTPUT_TOKENS: Meaning(_ROLLUP, "int", "Output tokens of the calls below."),
    names.CALL_ID: Meaning(_OURS, "string", "Our own id of the call; sums are settled by it."),
    names.CALL_STATUS: Meaning(_OURS, "string", "How the call ended, when not ok; values below."),
    names.CALL_CHUNKS: Meaning(_OURS, "int", "Chunks of a stream that the application received."),
    names.CALL_DUPLICATE: Meaning(_OURS, "boolean", "True where an enclosing span already counts this usage."),
    names.ERROR_TYPE: Meaning(_SHARED, "string", "The kind of failure, of low cardinality."),
    names.EXCEPTION_TYPE: Meaning(_SHARED, "string", "The class of an exception, on the log event."),
    names.EXCEPTION_MESSAGE: Meaning(_SHARED, "string", "Its text, on the log event."),
    names.SERVER_ADDRESS: Meaning(_SHARED, "string", "The host that was called."),
    names.SERVER_PORT: Meaning(_SHARED, "int", "Its port."),
    names.USER_ID: Meaning(
        _SHARED, "string", "The user, when the request or an enclosing span names one; on no metric."
    ),
}
