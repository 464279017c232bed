"""Content: nothing of it by default; switched on, messages in the convention's shape, cut at a size that is told."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import openai
import pytest
from hypothesis import example, given

from demo.server import cue
from spanwatch.core import names
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.openai.content import capped
from tests.otel.openai.replay import Replay

CITY = '{"city": "Paris"}'
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": CITY}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ],
}
ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
    {
        "role": "user",
        "parts": [
            {"type": "text", "content": "look"},
            {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "AAAA"},
        ],
    },
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}]},
]
CONTENT = {
    names.INPUT_MESSAGES,
    names.OUTPUT_MESSAGES,
    names.SYSTEM_INSTRUCTIONS,
    names.TOOL_DEFINITIONS,
    names.CONTENT_CUT,
}


def said(told, name=names.OUTPUT_MESSAGES):
    return json.loads(told.attributes[name])


def answer(*parts):
    return [{"role": "assistant", "parts": list(parts)}]


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_is_recorded_in_the_shape_of_the_convention(stream, client, watched_content):
    result = client.chat.completions.create(**CHAT, tools=TOOLS, stream=stream, extra_headers=cue(text="fine"))
    if stream:
        list(result)
    assert said(watched_content, names.INPUT_MESSAGES) == ASKED
    assert said(watched_content) == answer({"type": "text", "content": "fine"})
    assert said(watched_content, names.TOOL_DEFINITIONS) == TOOLS
    assert names.CONTENT_CUT not in watched_content.attributes


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_and_reasoning_are_recorded(stream, client, watched_content):
    cues = cue(tool_calls=2, reasoning_content="hm")
    result = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], tools=TOOLS, stream=stream, extra_headers=cues
    )
    if stream:
        list(result)
    (message,) = said(watched_content)
    assert [part["type"] for part in message["parts"]] == ["reasoning", "tool_call", "tool_call"]
    assert message["parts"][0] == {"type": "reasoning", "content": "hm"}
    for part in message["parts"][1:]:
        assert (part["name"], part["arguments"]) == ("weather", {"city": "Paris"})
        assert part["id"].startswith("call-")


def test_choices_are_messages_in_their_order(watched_content):
    with Replay("openai_two_choices.sse") as replay, openai.OpenAI(base_url=replay.base_url, api_key="x") as client:
        list(client.chat.completions.create(**CHAT, stream=True))
    assert said(watched_content) == [
        *answer({"type": "text", "content": "Blue"}),
        *answer({"type": "text", "content": "Red"}),
    ]


def test_a_refusal_is_recorded(watched_content):
    with Replay("openai_refusal.sse") as replay, openai.OpenAI(base_url=replay.base_url, api_key="x") as client:
        list(client.chat.completions.create(**CHAT, stream=True))
    assert said(watched_content) == answer({"type": "refusal", "content": "I cannot help."})


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_recorded(stream, client, watched_content):
    tool = {"type": "function", "name": "weather", "parameters": {}, "strict": False}
    result = client.responses.create(
        model="m", input="hi", instructions="be brief", tools=[tool], stream=stream, extra_headers=cue(tool_calls=1)
    )
    if stream:
        list(result)
    assert said(watched_content, names.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]}
    ]
    assert said(watched_content, names.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "be brief"}]
    assert said(watched_content, names.TOOL_DEFINITIONS) == [tool]
    (part,) = said(watched_content)[0]["parts"]
    assert (part["type"], part["name"], part["arguments"]) == ("tool_call", "weather", {"city": "Paris"})


@pytest.mark.parametrize(("events", "parts"), [(7, ["Os"]), (8, ["Oslo"]), (11, ["Oslo"]), (3, [])])
def test_what_came_of_a_response_left_early_is_recorded(events, parts, watched_content):
    with (
        Replay("response.sse") as replay,
        openai.OpenAI(base_url=replay.base_url, api_key="x") as client,
        client.responses.create(model="m", input="hi", stream=True) as stream,
    ):
        for _ in range(events):
            next(stream)
    expected = [*answer(*({"type": "text", "content": part} for part in parts))] if parts else None
    found = watched_content.attributes.get(names.OUTPUT_MESSAGES)
    assert (json.loads(found) if found else None) == expected


@pytest.mark.parametrize("stream", [False, True])
def test_a_text_completion_is_recorded(stream, client, watched_content):
    result = client.completions.create(model="m", prompt="once", stream=stream, extra_headers=cue(text="upon"))
    if stream:
        list(result)
    assert said(watched_content, names.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "once"}]}
    ]
    assert said(watched_content) == answer({"type": "text", "content": "upon"})


def test_raw_bytes_are_recorded_too(client, watched_content):
    with client.chat.completions.with_streaming_response.create(
        **CHAT, stream=True, extra_headers=cue(text="fine")
    ) as raw:
        raw.read()
    assert said(watched_content) == answer({"type": "text", "content": "fine"})


def test_embeddings_and_pictures_are_recorded_as_what_was_asked(client, watched_content):
    client.embeddings.create(model="m", input=["a", "b"])
    client.images.generate(model="m", prompt="a cat")
    first, second = (
        json.loads(span.attributes[names.INPUT_MESSAGES]) for span in watched_content.exporter.get_finished_spans()
    )
    assert [message["parts"][0]["content"] for message in first] == ["a", "b"]
    assert [message["parts"][0]["content"] for message in second] == ["a cat"]


def test_content_is_cut_at_its_size_and_says_so(client, watched_content):
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x" * 9_000}])
    text = watched_content.attributes[names.INPUT_MESSAGES]
    assert len(text) <= 2_000
    assert json.loads(text)[0]["parts"][0]["content"].startswith("xxx")
    assert watched_content.attributes[names.CONTENT_CUT] > 7_000


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=20,
        ),
        max_size=5,
    ),
    st.integers(10, 300),
)
@example([[], [], [], []], 10)
@example(["", "", "", ""], 12)
@example([{"": False, "\x07": False, "\x1f\x1f": "\x00" * 9}], 30)
def test_a_cut_stays_json_and_within_its_size(value, size):
    text, cut = capped(value, size)
    json.loads(text)
    assert len(text.encode()) <= size
    assert (cut == 0) == (
        len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")) <= size
    )


ENDPOINTS = {
    "chat": lambda c, h: c.chat.completions.create(**CHAT, tools=TOOLS, extra_headers=h),
    "stream": lambda c, h: list(c.chat.completions.create(**CHAT, stream=True, extra_headers=h)),
    "response": lambda c, h: c.responses.create(model="m", input="look", instructions="be brief", extra_headers=h),
    "completion": lambda c, h: c.completions.create(model="m", prompt="look", extra_headers=h),
    "embedding": lambda c, h: c.embeddings.create(model="m", input="look", extra_headers=h),
    "image": lambda c, h: c.images.generate(model="m", prompt="look", extra_headers=h),
}


@pytest.mark.parametrize("call", ENDPOINTS.values(), ids=ENDPOINTS)
def test_nothing_of_it_is_recorded_by_default(call, client, watched):
    call(client, {**cue(text="rain"), "X-Own": "look"})
    assert not CONTENT & watched.attributes.keys()
    assert not any(
        word in repr([watched.attributes, watched.extras]) for word in ("look", "brief", "rain", "sk-secret")
    )


@pytest.mark.parametrize("call", ENDPOINTS.values(), ids=ENDPOINTS)
def test_errors_quote_nothing_by_default(call, client, watched):
    with pytest.raises(openai.RateLimitError):
        call(client, cue(status=429))
    assert watched.extras == [
        {"exception.message": "openai.RateLimitError, status 429, type rate_limit_error, code rate_limit_exceeded"}
    ]
    assert watched.span.status.description is None
    assert watched.span.events == ()


def test_an_unreadable_argument_costs_the_call_nothing(client, watched_content, monkeypatch):
    monkeypatch.setattr("spanwatch.otel.openai.site.input_attributes", lambda *_: 1 / 0)
    client.chat.completions.create(**CHAT)
    assert watched_content.call.usage.input_tokens == 120
    assert OpenAIInstrumentor()._site._guard.failures == {"reading content": 1}
