"""Every attribute and event name that spanwatch emits, once.

GenAI names follow open-telemetry/semantic-conventions-genai as of October 2026 (all "development" there).
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
SCOPE = "spanwatch"
CONFIG_FILE = "spanwatch.toml"

# Operations (`gen_ai.operation.name`)
CHAT = "chat"
TEXT_COMPLETION = "text_completion"
GENERATE_CONTENT = "generate_content"
EMBEDDINGS = "embeddings"
FETCH_RESPONSE = "fetch_response"
PREPARE_REQUEST = "prepare_request"  # a request is put together, and sent by the span after it
REPORTED_COST = "reported_cost"  # an amount that the application states, beside its model calls
INVOKE_AGENT = "invoke_agent"
INVOKE_WORKFLOW = "invoke_workflow"
EXECUTE_TOOL = "execute_tool"
RETRIEVAL = "retrieval"
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
AGENT_DESCRIPTION = "gen_ai.agent.description"
WORKFLOW_NAME = "gen_ai.workflow.name"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_DESCRIPTION = "gen_ai.tool.description"
TOOL_CALL_ID = "gen_ai.tool.call.id"
DATA_SOURCE_ID = "gen_ai.data_source.id"
RETRIEVAL_TOP_K = "gen_ai.retrieval.top_k"
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
TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT = "gen_ai.tool.call.result"
RETRIEVAL_QUERY_TEXT = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS = "gen_ai.retrieval.documents"

OPENAI_API_TYPE = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT = "openai.response.system_fingerprint"

ERROR_TYPE = "error.type"
ERROR_OTHER = "_OTHER"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
CODE_FILE_PATH = "code.file.path"
CODE_FUNCTION_NAME = "code.function.name"
CODE_LINE_NUMBER = "code.line.number"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
SERVICE_NAME = "service.name"
PROCESS_PID = "process.pid"
USER_ID = "user.id"
PROVIDER_OTHER = "_OTHER"
METRIC_OVERFLOW = "otel.metric.overflow"  # on the one series that stands for those above a limit

# Ours
CALL_ID = "spanwatch.call.id"
CALL_STATUS = "spanwatch.call.status"
CALL_CHUNKS = "spanwatch.call.chunks"
CALL_DUPLICATE = "spanwatch.call.duplicate"  # true on a span whose usage an enclosing span already counts
DELIVERY_SIGNAL = "spanwatch.delivery.signal"
RECORD_CUT = "spanwatch.record.cut_values"  # values that were cut or replaced before the record left
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
ROLLUP_TOOL_CALLS = "spanwatch.rollup.tool_calls"
REQUEST_NAME = "spanwatch.request.name"  # on the outermost agent, workflow or request span
OUTCOME = "spanwatch.outcome"
INTERACTION_ID = "spanwatch.interaction.id"
APP_VERSION = "spanwatch.app.version"
TAGS = "spanwatch.tags"
INPUT_TYPES = "spanwatch.input.types"
RESULT_TYPE = "spanwatch.output.type"
RESULT_ITEMS = "spanwatch.output.items"
REPLACED = "spanwatch.replaced"
BUDGET_NAME = "spanwatch.budget.name"
BUDGET_SCOPE = "spanwatch.budget.scope"
BUDGET_LEDGER = "spanwatch.budget.ledger"
BUDGET_LEVEL = "spanwatch.budget.level"
BUDGET_RESOLVED = "spanwatch.budget.resolved"
BUDGET_RESETS_AT = "spanwatch.budget.resets_at"
BUDGET_ESTIMATED_USD = "spanwatch.budget.estimated_usd"
BUDGET_UNIT = "spanwatch.budget.unit"

EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"
FEEDBACK_ID = "spanwatch.feedback.id"
FEEDBACK_KIND = "spanwatch.feedback.kind"
FEEDBACK_RATING = "spanwatch.feedback.rating"
FEEDBACK_LOW = "spanwatch.feedback.low"
USER_FEEDBACK = "user_feedback"  # what our evaluations are called
LABEL_OTHER = "_OTHER"

INPUT_SIZE = "spanwatch.input.size"
RESULT_SIZE = "spanwatch.output.size"
LOG_DATA = "spanwatch.log.data"
LOG_DURATION = "spanwatch.log.duration"
LOGGER_NAME = "spanwatch.log.logger"
FOREIGN_SCOPE = "spanwatch.foreign.scope"

GUARDRAIL_NAME = "spanwatch.guardrail.name"
GUARDRAIL_TRIGGERED = "spanwatch.guardrail.triggered"
HANDOFF_FROM = "spanwatch.handoff.from"
HANDOFF_TO = "spanwatch.handoff.to"
TURN = "spanwatch.turn"
MCP_METHOD = "mcp.method.name"
MCP_SERVER = "spanwatch.mcp.server"
MCP_LIST_TOOLS = "tools/list"  # the method
CUSTOM_DATA = "spanwatch.custom.data"

EVENT_OPERATION_EXCEPTION = "gen_ai.client.operation.exception"
EVENT_INFERENCE_DETAILS = "gen_ai.client.inference.operation.details"
EVENT_BUDGET_LEVEL = "spanwatch.budget.level_changed"
EVENT_EVALUATION_RESULT = "gen_ai.evaluation.result"
EVENT_AGENT_REQUEST = "spanwatch.agent.request"
EVENT_AGENT_RESPONSE = "spanwatch.agent.response"
EVENT_AGENT_TOOL_CALL = "spanwatch.agent.tool_call"
EVENT_AGENT_ERROR = "spanwatch.agent.error"
