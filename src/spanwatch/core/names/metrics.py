"""Every metric that spanwatch emits, once: instrument, unit, meaning, labels and buckets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spanwatch.core.names.attributes import (
    AGENT_NAME,
    APP_VERSION,
    BUDGET_LEDGER,
    BUDGET_NAME,
    BUDGET_SCOPE,
    CALL_STATUS,
    COST_REASON,
    COST_SOURCE,
    COST_STATUS,
    COST_USD,
    DELIVERY_SIGNAL,
    ERROR_TYPE,
    EVALUATION_LABEL,
    FEEDBACK_KIND,
    FEEDBACK_RATING,
    FOREIGN_SCOPE,
    OPERATION_NAME,
    OUTCOME,
    PROVIDER_NAME,
    REQUEST_MODEL,
    REQUEST_NAME,
    RESPONSE_MODEL,
    SERVER_ADDRESS,
    SERVER_PORT,
    TOKEN_MODALITY,
    TOOL_NAME,
    TOOL_TYPE,
    WORKFLOW_NAME,
)

DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
AGENT_BUCKETS = tuple(round(0.1 * 2**power, 1) for power in range(13))  # 0.1 s to 409.6 s
WORKFLOW_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
REQUEST_BUCKETS = (*DURATION_BUCKETS, 163.84, 327.68)
RATING_BUCKETS = (1.0, 2.0, 3.0, 4.0)
CALLS_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument: what it is called, what it counts and which attributes its points carry."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
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
    (*_TIMED, APP_VERSION),
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
    COST_USD,
    "counter",
    "{USD}",
    "Cost of model calls in US dollars.",
    (*_SHARED, COST_STATUS, COST_SOURCE, AGENT_NAME, APP_VERSION),
)
UNPRICED_CALLS = Metric(
    "spanwatch.cost.unpriced_calls", "counter", "{call}", "Calls whose cost is unknown.", (*_SHARED, COST_REASON)
)
CALLS = Metric(
    "spanwatch.calls",
    "counter",
    "{call}",
    "Model calls by how they ended.",
    (*_SHARED, CALL_STATUS, AGENT_NAME, APP_VERSION),
)
AGENT_DURATION = Metric(
    "gen_ai.invoke_agent.duration",
    "histogram",
    "s",
    "Duration of an agent's run.",
    (OPERATION_NAME, AGENT_NAME, APP_VERSION, ERROR_TYPE),
    AGENT_BUCKETS,
)
AGENT_INFERENCE_CALLS = Metric(
    "gen_ai.invoke_agent.inference_calls",
    "histogram",
    "{inference_call}",
    "Inference calls of one run of an agent, those of agents under it included.",
    (OPERATION_NAME, AGENT_NAME, APP_VERSION),
    CALLS_BUCKETS,
)
AGENT_TOOL_CALLS = Metric(
    "gen_ai.invoke_agent.tool_calls",
    "histogram",
    "{tool_call}",
    "Tool calls of one run of an agent, those of agents under it included.",
    (OPERATION_NAME, AGENT_NAME, APP_VERSION),
    CALLS_BUCKETS,
)
WORKFLOW_DURATION = Metric(
    "gen_ai.invoke_workflow.duration",
    "histogram",
    "s",
    "Duration of a workflow's run.",
    (OPERATION_NAME, WORKFLOW_NAME, APP_VERSION, ERROR_TYPE),
    WORKFLOW_BUCKETS,
)
TOOL_DURATION = Metric(
    "gen_ai.execute_tool.duration",
    "histogram",
    "s",
    "Duration of a tool's execution.",
    (OPERATION_NAME, TOOL_NAME, TOOL_TYPE, AGENT_NAME, APP_VERSION, ERROR_TYPE),
    DURATION_BUCKETS,
)
REQUEST_DURATION = Metric(
    "spanwatch.request.duration",
    "histogram",
    "s",
    "Duration of a request, the outermost agent, workflow or request scope, by how it ended.",
    (REQUEST_NAME, OUTCOME, AGENT_NAME, APP_VERSION, ERROR_TYPE),
    REQUEST_BUCKETS,
)
_RATED = (FEEDBACK_KIND, REQUEST_MODEL, AGENT_NAME, APP_VERSION)
RATING = Metric(
    FEEDBACK_RATING, "histogram", "1", "Ratings by users, on the scale from 1 to 5.", _RATED, RATING_BUCKETS
)
FEEDBACK = Metric(
    "spanwatch.feedback.count", "counter", "{rating}", "Pieces of feedback, by label.", (EVALUATION_LABEL, *_RATED)
)
LOW_RATINGS = Metric("spanwatch.feedback.low_ratings", "counter", "{rating}", "Low ratings: 2 or less of 5.", _RATED)
TELEMETRY_DROPPED = Metric(
    "spanwatch.telemetry.dropped",
    "counter",
    "{item}",
    "Spans, calls and logs of our own pipeline that were lost.",
    (ERROR_TYPE,),
)
_OF_SIGNAL = (DELIVERY_SIGNAL,)
DELIVERY_EMITTED = Metric(
    "spanwatch.delivery.emitted", "counter", "{item}", "Spans, logs and metric reports for a collector.", _OF_SIGNAL
)
DELIVERY_DELIVERED = Metric(
    "spanwatch.delivery.delivered", "counter", "{item}", "Those of them that the collector took.", _OF_SIGNAL
)
DELIVERY_RESUMED = Metric(
    "spanwatch.delivery.resumed",
    "counter",
    "{item}",
    "Delivered out of the journal for processes that have ended.",
    _OF_SIGNAL,
)
DELIVERY_DROPPED = Metric(
    "spanwatch.delivery.dropped",
    "counter",
    "{item}",
    "Those of them that will not arrive, by reason.",
    (DELIVERY_SIGNAL, ERROR_TYPE),
)
DELIVERY_WAITING = Metric(
    "spanwatch.delivery.waiting",
    "gauge",
    "{item}",
    "Those of them that wait, in the journal or in memory.",
    _OF_SIGNAL,
)
UNRECOGNISED = Metric(
    "spanwatch.telemetry.unrecognised",
    "counter",
    "{span}",
    "GenAI spans of other instrumentations that no dialect reads: they are kept, and in no sum.",
    (FOREIGN_SCOPE,),
)
BUDGET_REFUSED = Metric(
    "spanwatch.budget.refused", "counter", "{call}", "Calls and agents that a budget refused.", (BUDGET_NAME,)
)
BUDGET_UNENFORCED = Metric(
    "spanwatch.budget.unenforced",
    "counter",
    "{call}",
    "Calls that met a budget whose ledger could not be used.",
    (BUDGET_NAME,),
)
_OF_SCOPES = (BUDGET_NAME, BUDGET_SCOPE, BUDGET_LEDGER)
BUDGET_LIMIT = Metric("spanwatch.budget.limit", "gauge", "{USD}", "Limit of a budget in US dollars.", _OF_SCOPES)
BUDGET_SPENT = Metric(
    "spanwatch.budget.spent",
    "gauge",
    "{USD}",
    "Spent in the window that is open, the scopes that spent most.",
    _OF_SCOPES,
)
BUDGET_RESERVED = Metric(
    "spanwatch.budget.reserved",
    "gauge",
    "{USD}",
    "Reserved by calls in flight, the scopes that spent most.",
    _OF_SCOPES,
)
BUDGET_UTILIZATION = Metric(
    "spanwatch.budget.utilization",
    "gauge",
    "1",
    "Part of the limit, of dollars or tokens, that is spent; the scopes that spent most.",
    _OF_SCOPES,
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
    AGENT_DURATION,
    AGENT_INFERENCE_CALLS,
    AGENT_TOOL_CALLS,
    WORKFLOW_DURATION,
    TOOL_DURATION,
    REQUEST_DURATION,
    RATING,
    FEEDBACK,
    LOW_RATINGS,
    TELEMETRY_DROPPED,
    DELIVERY_EMITTED,
    DELIVERY_DELIVERED,
    DELIVERY_RESUMED,
    DELIVERY_DROPPED,
    DELIVERY_WAITING,
    UNRECOGNISED,
    BUDGET_REFUSED,
    BUDGET_UNENFORCED,
    BUDGET_LIMIT,
    BUDGET_SPENT,
    BUDGET_RESERVED,
    BUDGET_UTILIZATION,
)
