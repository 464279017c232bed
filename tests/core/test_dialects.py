"""Spans of every generation of names, as the packages really emit them, read into the same call."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwatch.core import names
from spanwatch.core.call import CallStatus, CostStatus, Usage, changed
from spanwatch.core.dialects import (
    Role,
    SpanFacts,
    inherited,
    is_genai,
    is_recognised,
    operation_of,
    provider_name,
    read_call,
    role_of,
)
from spanwatch.core.prices import PriceBook

CURRENT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 48,
    "gen_ai.usage.cache_read.input_tokens": 64,
    "gen_ai.usage.cache_write.input_tokens": 16,
    "gen_ai.usage.reasoning.output_tokens": 24,
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.conversation.id": "c1",
    "server.address": "api.openai.com",
    "server.port": 443,
    "openai.response.service_tier": "flex",
    "user.id": "alice",
}
OF_1_36 = {
    "gen_ai.system": "openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.prompt_tokens": 120,
    "gen_ai.usage.completion_tokens": 48,
}
OLD_OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.prompt_tokens": 120,
    "gen_ai.usage.completion_tokens": 48,
    "gen_ai.usage.cache_read_input_tokens": 64,
    "llm.is_streaming": True,
    "gen_ai.openai.api_base": "http://localhost:8080/v1/",
    "llm.user": "alice",
}


def call_of(attributes, **facts):
    given = {"name": "chat", "attributes": attributes, "started_ns": 1, "ended_ns": 2, **facts}
    return read_call(SpanFacts(**given), "id")


def test_the_current_names_give_every_field():
    call = call_of(CURRENT, trace_id="t", span_id="s", parent_span_id="p", sampled=False, scope="their.package")
    assert call.usage == Usage(
        input_tokens=120, output_tokens=48, cache_read_tokens=64, cache_write_tokens=16, reasoning_tokens=24
    )
    assert (call.provider, call.request_model, call.response_model) == (
        "openai",
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
    )
    assert (call.response_id, call.finish_reasons, call.time_to_first_chunk_s) == ("chatcmpl-1", ("stop",), 0.25)
    assert (call.user_id, call.conversation_id, call.service_tier) == ("alice", "c1", "flex")
    assert (call.server_address, call.server_port) == ("api.openai.com", 443)
    assert call.price_context == (("service_tier", "flex"),)
    assert (call.trace_id, call.span_id, call.parent_span_id, call.sampled, call.scope) == (
        "t",
        "s",
        "p",
        False,
        "their.package",
    )
    assert (call.status, call.error_type, call.started_ns, call.ended_ns) == (CallStatus.OK, None, 1, 2)


@pytest.mark.parametrize("attributes", [OF_1_36, OLD_OPENLLMETRY], ids=["1.36", "openllmetry"])
def test_older_names_give_the_same_call(attributes):
    call = call_of(attributes)
    assert (call.operation, call.provider, call.request_model) == ("chat", "openai", "gpt-4o-mini")
    assert (call.usage.input_tokens, call.usage.output_tokens) == (120, 48)


def test_what_openllmetry_spells_otherwise_is_read():
    call = call_of(OLD_OPENLLMETRY)
    assert call.usage.cache_read_tokens == 64
    assert (call.stream, call.user_id, call.server_address, call.server_port) == (True, "alice", "localhost", 8080)
    assert call_of({**OLD_OPENLLMETRY, "gen_ai.openai.api_base": "https://[broken"}).server_address is None


def test_names_of_1_41_give_cache_writes():
    assert call_of({**OF_1_36, "gen_ai.usage.cache_creation.input_tokens": 7}).usage.cache_write_tokens == 7


def test_of_two_generations_on_one_span_the_newest_wins():
    assert (
        call_of({**OF_1_36, "gen_ai.usage.input_tokens": 99, "gen_ai.provider.name": "groq"}).usage.input_tokens == 99
    )


def test_a_span_with_model_and_tokens_and_no_operation_is_a_call():
    found = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1}
    assert operation_of(found) == "chat"
    assert operation_of({**found, "gen_ai.request.model": "text-embedding-3-small"}) == "embeddings"
    assert operation_of({"gen_ai.request.model": "gpt-4o"}) is None


@pytest.mark.parametrize("operation", ["invoke_agent", "invoke_workflow", "execute_tool", "create_agent", "unheard_of"])
def test_spans_that_repeat_the_usage_of_their_children_are_no_call(operation):
    assert call_of({**CURRENT, "gen_ai.operation.name": operation}) is None


@pytest.mark.parametrize("kind", ["workflow", "task", "agent", "tool"])
def test_spans_of_traceloops_decorators_are_no_call(kind):
    assert call_of({"traceloop.span.kind": kind, "gen_ai.usage.prompt_tokens": 5, "gen_ai.request.model": "m"}) is None


def test_unknown_usage_is_none_and_never_zero():
    assert call_of({"gen_ai.operation.name": "chat"}).usage is None


@pytest.mark.parametrize("value", [True, "120", 1.5, float("nan"), float("inf"), -1, 1 << 70, None, (1,)])
def test_a_count_that_is_no_count_is_unknown(value):
    assert call_of({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": value}).usage is None


def test_a_whole_float_is_a_count():
    assert call_of({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5.0}).usage.input_tokens == 5


@pytest.mark.parametrize(
    ("attributes", "facts", "status", "error"),
    [
        ({"error.type": "timeout"}, {"failed": True}, CallStatus.ERROR, "timeout"),
        ({"error.type": "timeout"}, {}, CallStatus.ERROR, "timeout"),
        ({}, {"failed": True, "exception_type": "openai.RateLimitError"}, CallStatus.ERROR, "openai.RateLimitError"),
        ({}, {"failed": True}, CallStatus.ERROR, "_OTHER"),
        ({}, {"exception_type": "KeyError"}, CallStatus.OK, None),
        ({"error.type": "asyncio.CancelledError"}, {"failed": True}, CallStatus.CANCELLED, "asyncio.CancelledError"),
        ({}, {"failed": True, "exception_type": "GeneratorExit"}, CallStatus.ABANDONED, None),
        ({"error.type": "builtins.GeneratorExit"}, {"failed": True}, CallStatus.ABANDONED, None),
    ],
)
def test_how_a_span_failed_is_how_the_call_did(attributes, facts, status, error):
    call = call_of({**CURRENT, **attributes}, **facts)
    assert (call.status, call.error_type) == (status, error)


def test_what_llamaindex_does_before_an_agents_call_is_no_call():
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini"}
    span = SpanFacts("OpenAI._prepare_chat_with_tools", attributes, 1, 2)
    assert read_call(span, "c") is None
    assert role_of(attributes, span.name) is Role.OTHER
    assert is_recognised(attributes, span.name)
    assert read_call(span._replace(name="OpenAI.astream_chat"), "c").response_model == "gpt-4o-mini"


def test_a_cost_that_the_provider_stated_is_taken_and_one_that_somebody_computed_is_not():
    stated = {"gen_ai.usage.cost.amount": 0.0012, "gen_ai.usage.cost.source": "provider"}
    assert call_of({**CURRENT, **stated}).provider_cost_nano_usd == 1_200_000
    assert call_of({**CURRENT, **stated, "gen_ai.usage.cost.source": "computed"}).provider_cost_nano_usd is None
    assert call_of({**CURRENT, **stated, "gen_ai.usage.cost.amount": -1}).provider_cost_nano_usd is None
    assert call_of({**CURRENT, **stated, "gen_ai.usage.cost.amount": True}).provider_cost_nano_usd is None


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("OpenAI", "openai"),
        ("xai", "x_ai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("New", "new"),
    ],
)
def test_providers_have_their_current_name(stated, name):
    assert provider_name(stated) == name


@pytest.mark.parametrize(
    ("attributes", "role"),
    [
        (CURRENT, Role.INFERENCE),
        ({"gen_ai.operation.name": "generate_content"}, Role.INFERENCE),
        ({"gen_ai.operation.name": "embeddings"}, Role.EMBEDDINGS),
        ({"traceloop.span.kind": "agent"}, Role.AGENT),
        ({"gen_ai.operation.name": "invoke_workflow"}, Role.WORKFLOW),
        ({"gen_ai.operation.name": "execute_tool"}, Role.TOOL),
        ({"gen_ai.request.model": "m"}, Role.OTHER),
        ({"http.request.method": "GET"}, None),
        ({}, None),
    ],
)
def test_every_span_has_its_role(attributes, role):
    assert role_of(attributes) is role


def test_genai_spans_are_told_by_their_attributes_or_where_there_are_none_by_name():
    assert is_genai({"llm.request.type": "chat"})
    assert is_genai(None, "openai.response")
    assert not is_genai({"http.route": "/"}, "GET /")
    assert not is_genai({names.AGENT_NAME: "carried"})


def test_an_enclosing_span_says_user_and_conversation_and_an_agent_its_name():
    found = {"enduser.id": "bob", "gen_ai.conversation.id": "c", "gen_ai.agent.name": "planner"}
    assert inherited(found, Role.AGENT) == {"user_id": "bob", "conversation_id": "c", "agent": "planner"}
    assert inherited(found, Role.WORKFLOW) == {"user_id": "bob", "conversation_id": "c"}
    assert inherited({"traceloop.entity.name": "old"}, Role.AGENT) == {"agent": "old"}


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.text(max_size=3))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from([*CURRENT, *OF_1_36, *OLD_OPENLLMETRY, "gen_ai.usage.cost.amount"]), VALUES))
def test_whatever_stands_in_the_attributes_nothing_is_raised_and_counts_are_counts(attributes):
    call = call_of({**attributes, "gen_ai.operation.name": "chat"})
    for count in () if call.usage is None else call.usage.reported().values():
        assert type(count) is int
        assert count >= 0


OPENLIT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 40,
    "gen_ai.usage.output_tokens": 48,
    "gen_ai.usage.cache_read.input_tokens": 64,
    "gen_ai.usage.cache_creation.input_tokens": 16,
}


def test_input_that_leaves_cached_tokens_out_is_told_from_input_that_has_them_by_who_reports_it():
    found = call_of(OPENLIT, scope="openlit.otel.tracing")
    assert (found.usage.input_tokens, found.price_context) == (120, (("convention", "inclusive"),))
    assert call_of(OPENLIT, scope="opentelemetry.instrumentation.anthropic").usage.input_tokens == 40
    assert call_of({**OPENLIT, "gen_ai.system": "openai"}, scope="openlit.otel").usage.input_tokens == 40


def test_a_refusal_of_ours_is_no_failure_of_the_model():
    refused = {**CURRENT, "error.type": "spanwatch.core.errors.BudgetExceeded"}
    assert call_of(refused, failed=True).status is CallStatus.REFUSED


def test_what_says_in_no_known_way_what_it_is_is_not_recognised():
    assert not is_recognised({"llm.vendor.prompt": "x"})
    assert not is_recognised({"gen_ai.vendor.tokens": 5, "gen_ai.request.model": "m"})
    assert is_recognised({"traceloop.span.kind": "task"})
    assert is_recognised({"gen_ai.operation.name": "unheard_of"})
    assert is_recognised({"llm.openai.messages": "[]"}, "raw_gen_ai_request")


PYDANTIC_AI = {  # as it says what Gemini heard
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "google",
    "gen_ai.response.model": "gemini-2.5-flash",
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 48,
    "gen_ai.usage.cache_read.input_tokens": 64,
    "gen_ai.usage.details.cached_content_tokens": 64,
    "gen_ai.usage.details.thoughts_tokens": 24,
    "gen_ai.usage.details.text_prompt_tokens": 70,
    "gen_ai.usage.details.audio_prompt_tokens": 50,
    "gen_ai.usage.details.input_audio_tokens": 50,
    "gen_ai.usage.details.cache_audio_read_tokens": 20,
}


def test_parts_that_pydantic_ai_calls_details_are_parts_and_audio_has_its_own_price():
    heard = call_of(PYDANTIC_AI)
    assert heard.usage == Usage(
        input_tokens=120,
        output_tokens=48,
        cache_read_tokens=64,
        reasoning_tokens=24,
        input_audio_tokens=50,
        cache_audio_read_tokens=20,
    )
    cost = PriceBook().price_call(changed(heard, started_ns=1_790_000_000_000_000_000))
    text, audio, made = 26 * 300 + 44 * 30, 30 * 1_000 + 20 * 100, 48 * 2_500
    assert (cost.nano_usd, cost.status) == (text + audio + made, CostStatus.PRICED)  # what the package computes too


def test_what_claude_thought_is_reasoning_to_pydantic_ai_and_the_conventions_own_name_comes_first():
    claude = {**CURRENT, "gen_ai.usage.details.thinking_tokens": 20}
    assert call_of(claude).usage.reasoning_tokens == 24
    del claude["gen_ai.usage.reasoning.output_tokens"]
    assert call_of(claude).usage.reasoning_tokens == 20


OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o-mini",
    "llm.token_count.prompt": 120,
    "llm.invocation_parameters": '{"model": "gpt-4o-mini"}',
    "llm.system": "openai",
    "llm.finish_reason": "stop",
}
ODD = st.sampled_from(
    [
        *OPENINFERENCE,
        *OPENLIT,
        *PYDANTIC_AI,
        "ai.operationId",
        "ai.usage.inputTokens",
        "litellm.call_id",
        "metadata.usage_object",
        "langfuse.observation.type",
        "langfuse.observation.usage_details",
        "logfire.span_type",
        "gen_ai.usage.total_tokens",
    ]
)
MANY = VALUES | st.sampled_from(['{"input": 5}', '{"input": -1}', "[[[", "{", '{"prompt_tokens": "x"}', "generation"])


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(ODD, MANY))
def test_whatever_stands_in_other_dialects_nothing_is_raised_and_counts_are_counts(attributes):
    call = call_of({**attributes, "openinference.span.kind": "LLM"})
    for count in () if call is None or call.usage is None else call.usage.reported().values():
        assert type(count) is int
        assert count >= 0


def test_a_sum_of_langfuses_parts_is_unknown_where_one_of_them_is_no_count():
    def usage(details):
        return call_of({"langfuse.observation.type": "generation", "langfuse.observation.usage_details": details}).usage

    assert usage('{"input": 6, "input_cached_tokens": 4, "output": 5}') == Usage(
        input_tokens=10, output_tokens=5, cache_read_tokens=4
    )
    assert usage('{"input": -6, "input_cached_tokens": 4, "output": 5}') == Usage(output_tokens=5, cache_read_tokens=4)
    assert usage('{"input": 6, "output": 5, "output_reasoning_tokens": "2"}') == Usage(input_tokens=6)
