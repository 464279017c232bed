"""Every attribute, event and metric name that spanwatch emits, once.

GenAI names follow open-telemetry/semantic-conventions-genai as of October 2026 (all "development" there).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
SCOPE = "spanwatch"
CONFIG_FILE = "spanwatch.toml"

# Operations (`gen_ai.operation.name`)
CHAT = "chat"
TEXT_COMPLETION = "text_completion"
GENERATE_CONTENT = "generate_content"
EMBEDDINGS = "embeddings"
FETCH_RESPONSE = "fetch_response"
INVOKE_AGENT = "invoke_agent"
INVOKE_WORKFLOW = "invoke_workflow"
EXECUTE_TOOL = "execute_tool"
INFERENCE_OPERATIONS = frozenset({CHAT, TEXT_COMPLETION, GENERATE_CONTENT})
PRICED_OPERATIONS = INFERENCE_OPERATIONS | {EMBEDDINGS}

# Attributes of model calls
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_TOP_K = "gen_ai.request.top_k"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
REQUEST_ENCODING_FORMATS = "gen_ai.request.encoding_formats"
REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id"
REQUEST_STREAM_CURSOR = "gen_ai.request.stream_cursor"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_STATUS = "gen_ai.response.status"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
OUTPUT_TYPE = "gen_ai.output.type"
PROMPT_NAME = "gen_ai.prompt.name"
PROMPT_VERSION = "gen_ai.prompt.version"
EMBEDDINGS_DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"
CONVERSATION_ID = "gen_ai.conversation.id"
AGENT_NAME = "gen_ai.agent.name"
WORKFLOW_NAME = "gen_ai.workflow.name"
TOOL_NAME = "gen_ai.tool.name"
TOKEN_MODALITY = "gen_ai.token.modality"  # noqa: S105 (the name of a label)

USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING = "gen_ai.usage.reasoning.output_tokens"
USAGE_TEXT_INPUT = "gen_ai.usage.text.input_tokens"
USAGE_TEXT_OUTPUT = "gen_ai.usage.text.output_tokens"
USAGE_AUDIO_INPUT = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT = "gen_ai.usage.audio.output_tokens"
USAGE_AUDIO_CACHE_READ = "gen_ai.usage.audio.cache_read.input_tokens"
USAGE_IMAGE_INPUT = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT = "gen_ai.usage.image.output_tokens"
USAGE_IMAGE_CACHE_READ = "gen_ai.usage.image.cache_read.input_tokens"

# Usage unit (core/call.py) → span attribute. Units without an attribute of the convention go under our own.
USAGE_ATTRIBUTES: dict[str, str] = {
    "input_tokens": USAGE_INPUT_TOKENS,
    "output_tokens": USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": USAGE_CACHE_READ,
    "cache_write_tokens": USAGE_CACHE_WRITE,
    "reasoning_tokens": USAGE_REASONING,
    "input_text_tokens": USAGE_TEXT_INPUT,
    "output_text_tokens": USAGE_TEXT_OUTPUT,
    "input_audio_tokens": USAGE_AUDIO_INPUT,
    "output_audio_tokens": USAGE_AUDIO_OUTPUT,
    "cache_audio_read_tokens": USAGE_AUDIO_CACHE_READ,
    "input_image_tokens": USAGE_IMAGE_INPUT,
    "output_image_tokens": USAGE_IMAGE_OUTPUT,
    "cache_image_read_tokens": USAGE_IMAGE_CACHE_READ,
    "cache_write_5m_tokens": "spanwatch.usage.cache_write_5m.input_tokens",
    "cache_write_1h_tokens": "spanwatch.usage.cache_write_1h.input_tokens",
}
USAGE_OTHER_PREFIX = "spanwatch.usage."

# Content: opt-in only
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"

OPENAI_API_TYPE = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT = "openai.response.system_fingerprint"

ERROR_TYPE = "error.type"
ERROR_OTHER = "_OTHER"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
USER_ID = "user.id"
PROVIDER_OTHER = "_OTHER"

# Ours
CALL_ID = "spanwatch.call.id"
CALL_STATUS = "spanwatch.call.status"
CALL_CHUNKS = "spanwatch.call.chunks"
CALL_DUPLICATE = "spanwatch.call.duplicate"  # true on a span whose usage an enclosing span already counts
CONTENT_CUT = "spanwatch.content.cut_bytes"  # bytes that the size cap took from captured content
COST_USD = "spanwatch.cost.usd"
COST_STATUS = "spanwatch.cost.status"
COST_REASON = "spanwatch.cost.reason"
COST_SOURCE = "spanwatch.cost.source"
COST_PRICE_VERSION = "spanwatch.cost.price_version"
USAGE_COST = "gen_ai.usage.cost"  # what most peers read; not in the convention (its PR 443 is open)
OPERATION_COST = "operation.cost"  # read by Logfire and Pydantic AI
ROLLUP_COST_USD = "spanwatch.rollup.cost.usd"
ROLLUP_CALLS = "spanwatch.rollup.calls"
ROLLUP_ERRORS = "spanwatch.rollup.errors"
ROLLUP_UNPRICED = "spanwatch.rollup.unpriced_calls"
ROLLUP_INPUT_TOKENS = "spanwatch.rollup.input_tokens"
ROLLUP_OUTPUT_TOKENS = "spanwatch.rollup.output_tokens"

EVENT_OPERATION_EXCEPTION = "gen_ai.client.operation.exception"

DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument: what it is called, what it counts and which attributes its points carry."""

    name: str
    kind: Literal["counter", "histogram"]
    unit: str
    description: str
    attributes: tuple[str, ...]
    buckets: tuple[float, ...] = ()


_SHARED = (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL, RESPONSE_MODEL, SERVER_ADDRESS, SERVER_PORT)
_TIMED = (*_SHARED, ERROR_TYPE)
_TOKENS = (*_SHARED, TOKEN_MODALITY)

INFERENCE_DURATION = Metric(
    "gen_ai.client.inference.duration", "histogram", "s", "Duration of a model call.", _TIMED, DURATION_BUCKETS
)
OPERATION_DURATION = Metric(
    "gen_ai.client.operation.duration",
    "histogram",
    "s",
    "Duration of a client operation other than inference.",
    _TIMED,
    DURATION_BUCKETS,
)
TIME_TO_FIRST_CHUNK = Metric(
    "gen_ai.client.inference.time_to_first_chunk",
    "histogram",
    "s",
    "Time from the request of a stream to its first chunk.",
    _SHARED,
    DURATION_BUCKETS,
)
TIME_PER_OUTPUT_CHUNK = Metric(
    "gen_ai.client.inference.time_per_output_chunk",
    "histogram",
    "s",
    "Mean time between the chunks of one stream after its first.",
    _SHARED,
    DURATION_BUCKETS,
)
INPUT_TOKENS = Metric(
    "gen_ai.client.inference.usage.input_tokens", "counter", "{token}", "Input tokens, cached ones included.", _TOKENS
)
OUTPUT_TOKENS = Metric(
    "gen_ai.client.inference.usage.output_tokens", "counter", "{token}", "Output tokens, reasoning included.", _TOKENS
)
CACHE_READ_TOKENS = Metric(
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "counter",
    "{token}",
    "Input tokens read from cache.",
    _TOKENS,
)
CACHE_WRITE_TOKENS = Metric(
    "gen_ai.client.inference.usage.cache_write.input_tokens",
    "counter",
    "{token}",
    "Input tokens written to cache.",
    _TOKENS,
)
REASONING_TOKENS = Metric(
    "gen_ai.client.inference.usage.reasoning.output_tokens",
    "counter",
    "{token}",
    "Output tokens spent on reasoning.",
    _TOKENS,
)
INPUT_TOKENS_PER_CALL = Metric(
    "gen_ai.client.inference.operation.input_tokens",
    "histogram",
    "{token}",
    "Input tokens of one call.",
    _SHARED,
    TOKEN_BUCKETS,
)
OUTPUT_TOKENS_PER_CALL = Metric(
    "gen_ai.client.inference.operation.output_tokens",
    "histogram",
    "{token}",
    "Output tokens of one call.",
    _SHARED,
    TOKEN_BUCKETS,
)
EMBEDDINGS_INPUT_TOKENS = Metric(
    "gen_ai.client.embeddings.operation.input_tokens",
    "histogram",
    "{token}",
    "Input tokens of one embeddings call.",
    _SHARED,
    TOKEN_BUCKETS,
)
COST = Metric(
    COST_USD, "counter", "{USD}", "Cost of model calls in US dollars.", (*_SHARED, COST_STATUS, COST_SOURCE, AGENT_NAME)
)
UNPRICED_CALLS = Metric(
    "spanwatch.cost.unpriced_calls", "counter", "{call}", "Calls whose cost is unknown.", (*_SHARED, COST_REASON)
)
CALLS = Metric(
    "spanwatch.calls", "counter", "{call}", "Model calls by how they ended.", (*_SHARED, CALL_STATUS, AGENT_NAME)
)
TELEMETRY_DROPPED = Metric(
    "spanwatch.telemetry.dropped",
    "counter",
    "{item}",
    "Spans, calls and logs of our own pipeline that were lost.",
    (ERROR_TYPE,),
)

METRICS: tuple[Metric, ...] = (
    INFERENCE_DURATION,
    OPERATION_DURATION,
    TIME_TO_FIRST_CHUNK,
    TIME_PER_OUTPUT_CHUNK,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    CACHE_READ_TOKENS,
    CACHE_WRITE_TOKENS,
    REASONING_TOKENS,
    INPUT_TOKENS_PER_CALL,
    OUTPUT_TOKENS_PER_CALL,
    EMBEDDINGS_INPUT_TOKENS,
    COST,
    UNPRICED_CALLS,
    CALLS,
    TELEMETRY_DROPPED,
)
