"""Streams that say nothing about usage are asked for it, and servers that refuse are asked once."""

from __future__ import annotations

import copy

import openai
import pytest

from demo.server import DemoServer, cue
from spanwatch.core.call import CallStatus
from spanwatch.otel.openai import OpenAIInstrumentor

STREAM = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a secret question"}], "stream": True}


def last_body(server: DemoServer):
    return server.state.seen[-1]["body"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, "include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": False}),
        ({"stream_options": {"include_usage": True}}, {"include_usage": True}),
        ({"extra_body": {"stream_options": {"x": 1}}}, {"x": 1, "include_usage": True}),
        ({"extra_body": {"stream_options": {"include_usage": False}}}, {"include_usage": False}),
    ],
    ids=str,
)
def test_usage_is_asked_for_where_the_request_says_nothing_about_it(given, sent, client, server, watched):
    before = copy.deepcopy(given)
    list(client.chat.completions.create(**STREAM, **given))
    assert last_body(server) == {**STREAM, "stream_options": sent}
    assert given == before
    assert (watched.call.usage is None) is (sent.get("include_usage") is False)


@pytest.mark.parametrize("api", ["responses", "embeddings"])
def test_only_streams_of_choices_are_asked(api, client, server, watched):
    more = {"stream": True} if api == "responses" else {}
    result = getattr(client, api).create(model="m", input="x", **more)
    if more:
        list(result)
    assert "stream_options" not in last_body(server)
    assert watched.call.usage.input_tokens == 120


def test_usage_is_not_asked_for_when_the_setting_says_so(client, server, recorded):
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=recorded.telemetry(ask_usage=False), skip_dep_check=True)
    try:
        list(client.chat.completions.create(**STREAM))
    finally:
        instrumentor.uninstrument()
    assert last_body(server) == STREAM
    assert recorded.call.usage is None


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_the_option_is_asked_once(status, client, server, watched):
    refusing = cue(reject_stream_options=status)
    for _ in range(2):
        before = server.state.requests
        chunks = list(client.chat.completions.create(**STREAM, extra_headers=refusing))
        assert len(chunks) == 10
        watched.sent = [*getattr(watched, "sent", []), server.state.requests - before]
    assert watched.sent == [2, 1]
    assert [(call.status, call.usage, call.error_type) for call in watched.calls] == [(CallStatus.OK, None, None)] * 2


async def test_a_refusing_server_is_asked_once_by_an_asynchronous_client_too(later, server, watched):
    before = server.state.requests
    for _ in range(2):
        stream = await later.chat.completions.create(**STREAM, extra_headers=cue(reject_stream_options=400))
        assert len([chunk async for chunk in stream]) == 10
    assert server.state.requests - before == 3
    assert len(watched.calls) == 2


def test_a_refusal_is_remembered_for_its_base_url_only(client, server, watched):
    list(client.chat.completions.create(**STREAM, extra_headers=cue(reject_stream_options=400)))
    other = client.with_options(base_url=server.base_url.replace("127.0.0.1", "localhost"))
    list(other.chat.completions.create(**STREAM))
    assert last_body(server)["stream_options"] == {"include_usage": True}
    list(client.chat.completions.create(**STREAM))
    assert "stream_options" not in last_body(server)


def test_a_request_refused_for_another_reason_is_not_repeated(client, server, watched):
    before = server.state.requests
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**STREAM, extra_headers=cue(status=400))
    assert server.state.requests - before == 1
    assert watched.call.error_type == "openai.BadRequestError"


def test_a_refusal_of_what_the_application_asked_is_the_applications(client, server, watched):
    asked = {"stream_options": {"include_usage": True}}
    before = server.state.requests
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**STREAM, **asked, extra_headers=cue(reject_stream_options=400))
    assert server.state.requests - before == 1
    assert watched.call.status is CallStatus.ERROR
