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
_AGENTS = "Attributes of agents, workflows, tools, retrievals and requests"
_BUDGETS = "Budgets, on spans of calls, level events and gauges"
_FEEDBACK = "Feedback: on its span, and on its log event"
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
    names.REQUEST_TOP_K: Meaning(_CALL, "int", "How many of the likeliest tokens are sampled from."),
    names.PROMPT_NAME: Meaning(_CALL, "string", "The id of the stored prompt that was used."),
    names.PROMPT_VERSION: Meaning(_CALL, "string", "Its version."),
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
    names.TOOL_CALL_ARGUMENTS: Meaning(_CONTENT, "string", "What a tool was called with, as JSON."),
    names.TOOL_CALL_RESULT: Meaning(_CONTENT, "string", "What it returned, as JSON."),
    names.RETRIEVAL_QUERY_TEXT: Meaning(_CONTENT, "string", "What was looked for."),
    names.RETRIEVAL_DOCUMENTS: Meaning(_CONTENT, "string", "What was found, as JSON."),
    names.RECORD_CUT: Meaning(_OURS, "int", "Values of the span or log record that were cut or replaced."),
    names.DELIVERY_SIGNAL: Meaning(_OURS, "string", "On delivery metrics: `traces`, `logs` or `metrics`."),
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
    names.ROLLUP_TOOL_CALLS: Meaning(_ROLLUP, "int", "Tool calls below."),
    names.AGENT_NAME: Meaning(_AGENTS, "string", "The agent; also on every span, log and call under it."),
    names.AGENT_DESCRIPTION: Meaning(_AGENTS, "string", "What the agent is for."),
    names.WORKFLOW_NAME: Meaning(_AGENTS, "string", "The workflow."),
    names.TOOL_NAME: Meaning(_AGENTS, "string", "The tool."),
    names.TOOL_TYPE: Meaning(_AGENTS, "string", "function, extension or datastore."),
    names.TOOL_DESCRIPTION: Meaning(_AGENTS, "string", "What the tool does."),
    names.TOOL_CALL_ID: Meaning(_AGENTS, "string", "The model's id of the tool call."),
    names.DATA_SOURCE_ID: Meaning(_AGENTS, "string", "Where a retrieval looks."),
    names.RETRIEVAL_TOP_K: Meaning(_AGENTS, "int", "How many results a retrieval asks for."),
    names.REQUEST_NAME: Meaning(
        _AGENTS, "string", "Marks a request: the outermost agent, workflow or request scope; its name."
    ),
    names.OUTCOME: Meaning(
        _AGENTS, "string", "How it ended: ok, error, refused; or cancelled, which is neither success nor failure."
    ),
    names.INPUT_TYPES: Meaning(_AGENTS, "string", "Names, types and lengths of the arguments: no values."),
    names.RESULT_TYPE: Meaning(_AGENTS, "string", "Type and length of the result: not its value."),
    names.RESULT_ITEMS: Meaning(_AGENTS, "int", "How many items a generator has yielded."),
    names.REPLACED: Meaning(_AGENTS, "int", "Values that were cut or replaced, for they could not be recorded whole."),
    names.BUDGET_NAME: Meaning(_BUDGETS, "string", "The budget that refused a call, or that is told of."),
    names.BUDGET_SCOPE: Meaning(
        _BUDGETS, "string", "Whose account: `user.id=u-1`; absent for everything. On gauges the highest few only."
    ),
    names.BUDGET_LEDGER: Meaning(
        _BUDGETS, "string", "On gauges: `memory` where the account is this process's own; absent where it is shared."
    ),
    names.BUDGET_LEVEL: Meaning(_BUDGETS, "double", "On events: the part of the limit, such as 0.8."),
    names.BUDGET_RESOLVED: Meaning(_BUDGETS, "boolean", "On events: true when the level holds no more."),
    names.BUDGET_RESETS_AT: Meaning(_BUDGETS, "string", "On events: when room comes back, ISO 8601; absent for never."),
    names.BUDGET_ESTIMATED_USD: Meaning(
        _BUDGETS, "double", "What budgets were charged for a call whose usage is unknown: an estimate, in no other sum."
    ),
    names.BUDGET_UNIT: Meaning(_BUDGETS, "string", "On events: what limit and spend are counted in: usd or tokens."),
    names.CALL_ID: Meaning(_OURS, "string", "Our own id of the call; sums are settled by it."),
    names.CALL_STATUS: Meaning(_OURS, "string", "How the call ended, when not ok; values below."),
    names.CALL_CHUNKS: Meaning(_OURS, "int", "Chunks of a stream that the application received."),
    names.CALL_DUPLICATE: Meaning(_OURS, "boolean", "True where an enclosing span already counts this usage."),
    names.EVALUATION_NAME: Meaning(_FEEDBACK, "string", "`user_feedback`."),
    names.EVALUATION_SCORE: Meaning(_FEEDBACK, "double", "The rating from 0 to 1; absent for a label without one."),
    names.EVALUATION_LABEL: Meaning(
        _FEEDBACK, "string", "The stars 1 to 5, or the label; on the metric `_OTHER` for labels of your own."
    ),
    names.EVALUATION_EXPLANATION: Meaning(
        _FEEDBACK, "string", "The comment, redacted; on the log event only, with content on."
    ),
    names.FEEDBACK_ID: Meaning(_FEEDBACK, "string", "Our own id of the rating; the store has it once."),
    names.FEEDBACK_KIND: Meaning(_FEEDBACK, "string", "How it was given: rating, score or label; also on metrics."),
    names.FEEDBACK_RATING: Meaning(_FEEDBACK, "double", "The rating from 1 to 5."),
    names.FEEDBACK_LOW: Meaning(_FEEDBACK, "boolean", "True when the rating is 2 or less: what tail sampling keeps."),
    names.INTERACTION_ID: Meaning(
        _SHARED, "string", "The application's own id of a request, by which it may be rated; on no metric."
    ),
    names.METRIC_OVERFLOW: Meaning(
        _SHARED, "boolean", "True on the one series that stands for all above an instrument's limit."
    ),
    names.ERROR_TYPE: Meaning(_SHARED, "string", "The kind of failure, of low cardinality."),
    names.EXCEPTION_TYPE: Meaning(_SHARED, "string", "The class of an exception, on the log event."),
    names.EXCEPTION_MESSAGE: Meaning(_SHARED, "string", "Its text, on the log event."),
    names.EXCEPTION_STACKTRACE: Meaning(_SHARED, "string", "Where it came from, on the log event."),
    names.CODE_FILE_PATH: Meaning(_SHARED, "string", "On captured log records: the file that logged."),
    names.CODE_FUNCTION_NAME: Meaning(_SHARED, "string", "On captured log records: the function that logged."),
    names.CODE_LINE_NUMBER: Meaning(_SHARED, "int", "On captured log records: the line that logged."),
    names.GUARDRAIL_NAME: Meaning(_AGENTS, "string", "On a guardrail's span: its name."),
    names.GUARDRAIL_TRIGGERED: Meaning(_AGENTS, "boolean", "On a guardrail's span: whether it was triggered."),
    names.HANDOFF_FROM: Meaning(_AGENTS, "string", "On a handoff's span: the agent that hands over."),
    names.HANDOFF_TO: Meaning(_AGENTS, "string", "On a handoff's span: the agent that takes over."),
    names.TURN: Meaning(_AGENTS, "int", "On the span of one turn of an agent's loop: its number, from 1."),
    names.MCP_METHOD: Meaning(_SHARED, "string", "On a span that lists the tools of an MCP server: `tools/list`."),
    names.MCP_SERVER: Meaning(_AGENTS, "string", "The MCP server whose tools are listed, or that serves a tool."),
    names.CUSTOM_DATA: Meaning(_CONTENT, "string", "On a custom span of the OpenAI Agents SDK: its data as JSON."),
    names.FOREIGN_SCOPE: Meaning(
        _OURS, "string", "Of spans that no dialect reads: the name of the instrumentation scope that made them."
    ),
    names.LOGGER_NAME: Meaning(_OURS, "string", "On captured log records: the name of the logger."),
    names.INPUT_SIZE: Meaning(_OURS, "int", "On log events: characters or bytes of what an agent was asked."),
    names.RESULT_SIZE: Meaning(_OURS, "int", "On log events: characters or bytes of what it answered."),
    names.LOG_DATA: Meaning(_OURS, "map", "On log events: the data that the application chose to log, redacted."),
    names.LOG_DURATION: Meaning(_OURS, "double", "On log events: seconds that it took, as the application says."),
    names.SERVER_ADDRESS: Meaning(_SHARED, "string", "The host that was called."),
    names.SERVER_PORT: Meaning(_SHARED, "int", "Its port."),
    names.APP_VERSION: Meaning(
        _SHARED, "string", "The application's version that a request names; also on metrics of calls and agents."
    ),
    names.TAGS: Meaning(_SHARED, "string[]", "The tags of the request; on no metric."),
    names.SERVICE_NAME: Meaning(_SHARED, "string", "The resource's name of the program."),
    names.PROCESS_PID: Meaning(_SHARED, "string", "On the samples that `stats()` and rules read: the process's id."),
    names.USER_ID: Meaning(
        _SHARED, "string", "The user, when the request or an enclosing span names one; on no metric."
    ),
}

EVENTS: dict[str, str] = {
    names.EVENT_OPERATION_EXCEPTION: "a model call failed (WARN); `exception.*`, no message that may quote content.",
    names.EVENT_INFERENCE_DETAILS: "a model call ended (DEBUG, with `call_events` on); the attributes of its span.",
    names.EVENT_BUDGET_LEVEL: "a budget reached a level (INFO, from 100 % on WARN), or holds it no more (INFO, "
    "`spanwatch.budget.resolved`); the attributes `spanwatch.budget.*`, with `limit` and `spent`.",
    names.EVENT_EVALUATION_RESULT: "somebody rated the work (INFO; WARN when it is low); context: the rated span.",
    names.EVENT_AGENT_REQUEST: "`AgentLogger.request`: what an agent was asked; its size, its text with content on.",
    names.EVENT_AGENT_RESPONSE: "`AgentLogger.response`: what it answered; its size, its text with content on.",
    names.EVENT_AGENT_TOOL_CALL: "`AgentLogger.tool_call`: what a tool did; sizes and types, values with content on.",
    names.EVENT_AGENT_ERROR: "`AgentLogger.error`: what went wrong (ERROR); `exception.*`.",
}
