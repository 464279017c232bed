"""One table of calls: each is made by the sync and by the async client, and told as one call and one span."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from demo.server import cue
from spanwatch.core.call import CallStatus, Usage

MODEL = "gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "a secret question"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
USAGE = Usage(input_tokens=120, output_tokens=48, cache_read_tokens=64, cache_write_tokens=16, reasoning_tokens=24)
CHAT = {"model": MODEL, "messages": MESSAGES}
RESPONSE = {"model": MODEL, "input": "a secret question"}
OK = {"status": CallStatus.OK, "usage": USAGE, "response_model": f"{MODEL}-2026-01-01"}


@dataclass
class Scenario:
    name: str
    path: str
    arguments: dict[str, Any]
    call: dict[str, Any]
    cue: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    raises: type[BaseException] | None = None
    events: bool = False  # drains a stream


def chat(name: str, call: dict[str, Any], cues: dict[str, Any] | None = None, **more: Any) -> Scenario:
    arguments = {**CHAT, **more.pop("arguments", {})}
    events = bool(arguments.get("stream"))
    return Scenario(name, "chat.completions.create", arguments, call, cues or {}, events=events, **more)


def response(name: str, call: dict[str, Any], cues: dict[str, Any] | None = None, **more: Any) -> Scenario:
    arguments = {**RESPONSE, **more.pop("arguments", {})}
    events = bool(arguments.get("stream"))
    return Scenario(name, "responses.create", arguments, call, cues or {}, events=events, **more)


STREAM = {"stream": True}
SCENARIOS = [
    chat("chat", OK | {"finish_reasons": ("stop",), "stream": False, "chunks": 0, "api": "chat_completions"}),
    chat(
        "chat_settings",
        OK | {"user_id": "u-1"},
        arguments={
            "temperature": 1,
            "top_p": 0.5,
            "max_completion_tokens": 9,
            "frequency_penalty": 0.1,
            "presence_penalty": -0.1,
            "seed": 7,
            "stop": "END",
            "reasoning_effort": "low",
            "response_format": {"type": "json_object"},
            "service_tier": "flex",
            "user": "u-1",
            "extra_body": {"top_k": 3},
        },
        attributes={
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.max_tokens": 9,
            "gen_ai.request.frequency_penalty": 0.1,
            "gen_ai.request.presence_penalty": -0.1,
            "gen_ai.request.seed": 7,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.request.reasoning.level": "low",
            "gen_ai.request.top_k": 3,
            "gen_ai.output.type": "json",
            "openai.request.service_tier": "flex",
            "openai.response.service_tier": "default",
            "openai.response.system_fingerprint": "fp_demo",
            "openai.api.type": "chat_completions",
        },
        absent=("gen_ai.request.choice.count", "gen_ai.request.stream"),
    ),
    chat("chat_not_given", OK, arguments={"temperature": openai.NOT_GIVEN}, absent=("gen_ai.request.temperature",)),
    chat(
        "chat_two_choices",
        OK | {"finish_reasons": ("stop", "stop")},
        arguments={"n": 2},
        attributes={"gen_ai.request.choice.count": 2},
    ),
    chat("chat_tools", OK | {"finish_reasons": ("tool_calls",)}, {"tool_calls": 2}, arguments={"tools": TOOLS}),
    chat("chat_iterator", OK, arguments={"messages": iter(MESSAGES)}),
    chat("chat_flex", OK | {"price_context": (("service_tier", "flex"),)}, {"service_tier": "flex"}),
    chat("chat_stated_cost", OK | {"provider_cost_nano_usd": 500_000_000}, {"cost": 0.5}),
    chat("chat_refusal", OK, {"refusal": "no"}),
    chat("chat_usage_none", OK | {"usage": None}, {"usage": "none"}, absent=("gen_ai.usage.input_tokens",)),
    chat("chat_usage_null", OK | {"usage": None}, {"usage": "null"}),
    chat("chat_usage_basic", OK | {"usage": Usage(input_tokens=120, output_tokens=48)}, {"usage": "basic"}),
    chat("chat_usage_null_details", OK | {"usage": Usage(120, 48)}, {"usage": "null_details"}),
    chat("chat_usage_zero", OK | {"usage": Usage(0, 0)}, {"usage": "zero"}),
    chat("chat_audio", OK | {"usage": Usage(120, 48, 64, 16, None, None, 24, None, None, 5, 5)}, {"audio_tokens": 5}),
    chat("chat_choices_null", OK | {"finish_reasons": ()}, {"odd": "choices_null"}),
    chat("chat_choices_empty", OK | {"finish_reasons": ()}, {"odd": "empty_choices"}),
    chat("chat_model_null", OK | {"response_model": None}, {"odd": "model_null"}),
    chat("chat_extra_fields", OK, {"odd": "extra_fields"}),
    chat("chat_content_null", OK, {"odd": "null_content"}),
    chat(
        "chat_429",
        {"status": CallStatus.ERROR, "error_type": "openai.RateLimitError", "usage": None, "finish_reasons": ()},
        {"status": 429},
        raises=openai.RateLimitError,
    ),
    chat(
        "chat_400",
        {"status": CallStatus.ERROR, "error_type": "openai.BadRequestError"},
        {"status": 400},
        raises=openai.BadRequestError,
    ),
    chat(
        "chat_timeout",
        {"status": CallStatus.ERROR, "error_type": "openai.APITimeoutError"},
        {"fault": "hang"},
        arguments={"timeout": 0.2},
        raises=openai.APITimeoutError,
    ),
    chat(
        "chat_reset",
        {"status": CallStatus.ERROR, "error_type": "openai.APIConnectionError"},
        {"fault": "reset"},
        raises=openai.APIConnectionError,
    ),
    chat(
        "chat_bad_json",
        {"status": CallStatus.ERROR, "error_type": "json.JSONDecodeError"},
        {"fault": "bad_json"},
        raises=ValueError,
    ),
    chat(
        "chat_empty_body",
        {"status": CallStatus.ERROR, "error_type": "json.JSONDecodeError"},
        {"fault": "empty_body"},
        raises=ValueError,
    ),
    chat(
        "stream",
        OK | {"stream": True, "chunks": 10, "finish_reasons": ("stop",)},
        arguments=STREAM,
        attributes={"gen_ai.request.stream": True, "openai.response.system_fingerprint": "fp_demo"},
    ),
    chat("stream_usage_asked", OK | {"chunks": 11}, arguments=STREAM | {"stream_options": {"include_usage": True}}),
    chat(
        "stream_usage_declined", OK | {"usage": None}, arguments=STREAM | {"stream_options": {"include_usage": False}}
    ),
    chat("stream_tools", OK | {"finish_reasons": ("tool_calls",)}, arguments=STREAM | {"tools": TOOLS}),
    chat("stream_two_choices", OK | {"finish_reasons": ("stop", "stop")}, arguments=STREAM | {"n": 2}),
    chat("stream_reasoning", OK, {"reasoning_content": "hm"}, arguments=STREAM),
    chat("stream_choices_null", OK, {"odd": "choices_null"}, arguments=STREAM),
    chat("stream_choices_empty", OK, {"odd": "empty_choices"}, arguments=STREAM),
    chat("stream_model_null", OK | {"response_model": None}, {"odd": "model_null"}, arguments=STREAM),
    chat(
        "stream_index_order",
        OK | {"finish_reasons": ("stop", "stop")},
        {"odd": "index_order"},
        arguments=STREAM | {"n": 2},
    ),
    chat("stream_tool_index_gap", OK, {"odd": "tool_index_gap"}, arguments=STREAM | {"tools": TOOLS}),
    chat("stream_keepalive", OK, {"odd": "keepalive"}, arguments=STREAM),
    chat("stream_usage_in_choice", OK, {"odd": "usage_in_choice"}, arguments=STREAM),
    chat(
        "stream_usage_in_choice_only",
        OK,
        {"odd": "usage_in_choice", "usage_on_stream": "never"},
        arguments=STREAM | {"stream_options": {"include_usage": False}},
    ),
    chat("stream_no_done", OK, {"fault": "no_done"}, arguments=STREAM),
    chat("stream_crlf", OK, {"crlf": True, "piece": 5}, arguments=STREAM),
    chat("stream_usage_none", OK | {"usage": None}, {"usage": "none"}, arguments=STREAM),
    chat("stream_usage_null", OK | {"usage": None}, {"usage": "null"}, arguments=STREAM),
    chat(
        "stream_cut",
        {"status": CallStatus.ERROR, "usage": None, "chunks": 3, "finish_reasons": ("error",)},
        {"fault": "cut"},
        arguments=STREAM,
        raises=Exception,
    ),
    chat(
        "stream_reset",
        {"status": CallStatus.ERROR, "usage": None},
        {"fault": "reset"},
        arguments=STREAM,
        raises=Exception,
    ),
    chat(
        "stream_error_event",
        {"status": CallStatus.ERROR, "error_type": "demo_stream", "usage": None, "finish_reasons": ("error",)},
        {"fault": "error_event"},
        arguments=STREAM,
        raises=openai.APIError,
    ),
    chat(
        "stream_timeout",
        {"status": CallStatus.ERROR, "usage": None},
        {"fault": "stall"},
        arguments=STREAM | {"timeout": 0.2},
        raises=Exception,
    ),
    chat(
        "stream_429",
        {"status": CallStatus.ERROR, "error_type": "openai.RateLimitError", "stream": True, "chunks": 0},
        {"status": 429},
        arguments=STREAM,
        raises=openai.RateLimitError,
    ),
    Scenario(
        "text_completion",
        "completions.create",
        {"model": "davinci-002", "prompt": "x"},
        OK | {"operation": "text_completion", "response_model": "davinci-002", "finish_reasons": ("stop",)},
    ),
    Scenario(
        "text_completion_stream",
        "completions.create",
        {"model": "davinci-002", "prompt": "x", "stream": True},
        OK | {"response_model": "davinci-002", "stream": True, "chunks": 9},
        events=True,
    ),
    Scenario(
        "embeddings",
        "embeddings.create",
        {"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 8},
        {"operation": "embeddings", "usage": Usage(input_tokens=120), "response_model": "text-embedding-3-small"},
        attributes={"gen_ai.embeddings.dimension.count": 8, "gen_ai.usage.input_tokens": 120},
        absent=("gen_ai.request.encoding_formats", "gen_ai.usage.output_tokens"),
    ),
    Scenario(
        "embeddings_float",
        "embeddings.create",
        {"model": "text-embedding-3-small", "input": "a", "encoding_format": "float", "user": "u"},
        {"operation": "embeddings", "user_id": "u"},
        attributes={"gen_ai.request.encoding_formats": ("float",)},
    ),
    Scenario(
        "image",
        "images.generate",
        {"model": "gpt-image-1", "prompt": "a secret cat"},
        {
            "operation": "generate_content",
            "usage": Usage(input_tokens=120, output_tokens=48, input_text_tokens=120),
            "response_model": None,
        },
        attributes={"gen_ai.output.type": "image"},
    ),
    response("response", OK | {"api": "responses", "finish_reasons": ("stop",)}, absent=("gen_ai.response.status",)),
    response(
        "response_settings",
        OK | {"conversation_id": "conv_1", "user_id": "safe"},
        arguments={
            "max_output_tokens": 5,
            "reasoning": {"effort": "high"},
            "user": "u-1",
            "extra_body": {"safety_identifier": "safe", "conversation": {"id": "conv_1"}},
            "text": {"format": {"type": "text"}},
        },
        attributes={
            "gen_ai.request.max_tokens": 5,
            "gen_ai.request.reasoning.level": "high",
            "gen_ai.conversation.id": "conv_1",
            "gen_ai.output.type": "text",
            "openai.api.type": "responses",
        },
    ),
    response(
        "response_continued",
        OK,
        arguments={"previous_response_id": "resp_0"},
        attributes={"gen_ai.request.previous_response.id": "resp_0"},
    ),
    response(
        "response_tools",
        OK | {"finish_reasons": ("tool_calls",)},
        arguments={"tools": [{**TOOLS[0]["function"], "type": "function"}]},
    ),
    response(
        "response_searches",
        OK | {"usage": Usage(120, 48, 64, 16, reasoning_tokens=24, other=(("web_searches", 2),))},
        {"web_searches": 2},
    ),
    response("response_incomplete", OK | {"finish_reasons": ("length",)}, {"response_status": "incomplete"}),
    response(
        "response_filtered",
        OK | {"finish_reasons": ("content_filter",)},
        {"response_status": "incomplete", "incomplete_reason": "content_filter"},
    ),
    response(
        "response_failed",
        {"status": CallStatus.ERROR, "error_type": "server_error", "usage": None, "finish_reasons": ("error",)},
        {"response_status": "failed"},
    ),
    response(
        "response_queued",
        {"status": CallStatus.OK, "usage": None, "finish_reasons": ()},
        {"response_status": "queued"},
        arguments={"extra_body": {"background": True}},
    ),
    response("response_no_output", OK, {"odd": "no_output"}),
    response("response_usage_null", OK | {"usage": None}, {"usage": "null"}),
    response("response_stream", OK | {"stream": True, "finish_reasons": ("stop",)}, arguments=STREAM),
    response(
        "response_stream_incomplete",
        OK | {"finish_reasons": ("length",)},
        {"response_status": "incomplete"},
        arguments=STREAM,
    ),
    response(
        "response_stream_failed",
        {"status": CallStatus.ERROR, "error_type": "server_error", "usage": None},
        {"response_status": "failed"},
        arguments=STREAM,
    ),
    response(
        "response_stream_cut",
        {"status": CallStatus.ERROR, "usage": None},
        {"fault": "cut"},
        arguments=STREAM,
        raises=Exception,
    ),
    response(
        "response_500",
        {"status": CallStatus.ERROR, "error_type": "openai.InternalServerError"},
        {"status": 500},
        raises=openai.InternalServerError,
    ),
]
ALL = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def method(client: Any, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name)
    return client


def arguments(scenario: Scenario) -> dict[str, Any]:
    given = dict(scenario.arguments)
    if "messages" in given:
        given["messages"] = iter(MESSAGES) if scenario.name == "chat_iterator" else given["messages"]
    return given | ({"extra_headers": cue(**scenario.cue)} if scenario.cue else {})


@ALL
def test_a_call_is_told_as_it_was(scenario, client, watched):
    with may_raise(scenario, watched):
        result = method(client, scenario.path)(**arguments(scenario))
        if scenario.events:
            list(result)
    check(scenario, watched)


@ALL
async def test_an_asynchronous_call_is_told_as_it_was(scenario, later, watched):
    with may_raise(scenario, watched):
        result = await method(later, scenario.path)(**arguments(scenario))
        if scenario.events:
            [chunk async for chunk in result]
    check(scenario, watched)


@contextmanager
def may_raise(scenario: Scenario, told: Any) -> Iterator[None]:
    """Let the scenario's error pass, which the call must have been told with."""
    if scenario.raises is None:
        yield
        return
    with pytest.raises(scenario.raises) as caught:
        yield
    assert told.errors == [caught.value]


def check(scenario: Scenario, told: Any) -> None:
    call, span, attributes = told.call, told.span, told.attributes
    for name, value in scenario.call.items():
        assert getattr(call, name) == value, name
    if scenario.raises is None and "status" in scenario.call and scenario.call["status"] is CallStatus.OK:
        assert told.errors == [None]
    for name, value in scenario.attributes.items():
        assert attributes[name] == value, name
        assert type(attributes[name]) is type(value), name
    for name in scenario.absent:
        assert name not in attributes
    model = scenario.arguments["model"]
    assert span.name == f"{call.operation} {model}"
    assert span.kind is SpanKind.CLIENT
    assert (span.start_time, span.end_time) == (call.started_ns, call.ended_ns)
    assert span.status.status_code is (StatusCode.ERROR if call.error_type else StatusCode.UNSET)
    assert attributes["gen_ai.request.model"] == call.request_model == model
    assert attributes["server.address"] == call.server_address == "127.0.0.1"
    assert attributes["server.port"] == call.server_port
    assert attributes["gen_ai.provider.name"] == call.provider == "_OTHER"
    assert ("gen_ai.request.stream" in attributes) is call.stream
    assert "secret" not in repr([attributes, span.status, told.extras])
